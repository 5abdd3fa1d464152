"""A machine gives a sign of life. `serve_heartbeats` is a group handler."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from sheepfold.protocol.codes import HeartbeatStatus
from sheepfold.protocol.messages import Heartbeat
from sheepfold.server.core.clock import now
from sheepfold.server.dispatch.actions import Progress, record_progress
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts, find, find_by_tokens, open_by_session
from sheepfold.server.machines.actions import expire_sessions, record_signs_of_life
from sheepfold.server.machines.queries import SessionFacts, is_live, sessions_of_tokens
from sheepfold.server.pipeline.endings import fail_lease, free_leases

UPLOAD_PATIENCE = timedelta(minutes=15)  # all tries of the slowest client, on a slow line; a later result counts too


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat with the hash of its session's cookie, if it sent one."""

    token_hash: str | None
    message: Heartbeat


def serve_heartbeats(beats: Sequence[Beat]) -> list[HeartbeatStatus]:
    """Go on, or stop the tile because its lease has ended. Without a tile there is nothing to stop."""
    moment = now()
    sessions = sessions_of_tokens([beat.token_hash for beat in beats if beat.token_hash])
    live = {token: session for token, session in sessions.items() if is_live(session, moment)}
    record_signs_of_life(sessions={(one.id, one.max_silence) for one in live.values()}, now=moment)
    by_token = find_by_tokens([beat.message.extras for beat in beats if beat.message.extras])
    held = open_by_session([session.id for session in live.values()])
    leases = [_lease(beat, live.get(beat.token_hash or ""), by_token, held) for beat in beats]
    record_progress(said=[_progress(lease, beat) for lease, beat in zip(leases, beats, strict=True) if lease])
    return [_answer(beat, lease) for lease, beat in zip(leases, beats, strict=True)]


def _lease(
    beat: Beat, session: SessionFacts | None, by_token: dict[str, LeaseFacts], held: dict[int, list[LeaseFacts]]
) -> LeaseFacts | None:
    """The open lease that a heartbeat is about."""
    lease = by_token.get(beat.message.extras or "") or _held_lease(session, beat.message, held)
    return lease if lease and lease.end == LeaseEnd.OPEN else None


def _progress(lease: LeaseFacts, beat: Beat) -> Progress:
    return Progress(lease.id, beat.message.rendertime, beat.message.remainingtime)


def _answer(beat: Beat, lease: LeaseFacts | None) -> HeartbeatStatus:
    names_a_tile = bool(beat.message.job) and beat.message.frame is not None
    return HeartbeatStatus.STOP if names_a_tile and lease is None else HeartbeatStatus.OK


def _held_lease(
    session: SessionFacts | None, message: Heartbeat, held: dict[int, list[LeaseFacts]]
) -> LeaseFacts | None:
    """Clients since 2022 send no token: the session, the job and the frame name the lease."""
    if session is None:
        return None
    leases: Iterable[LeaseFacts] = held.get(session.id, ())
    return next((one for one in leases if (one.project_id, one.frame) == (message.job, message.frame)), None)


@transaction.atomic
def expire_due(*, now: datetime) -> int:
    """End the sessions that were silent too long, and the leases that lasted too long. Returns how many leases.

    Clients forget a frame whose upload failed twice or thrice, some every frame that failed, and say nothing. They
    render one tile at a time, so a tile that they held when they asked for another is on its way to us or lost.
    One transaction: a session never ends without its tiles being free again.
    """
    silent = free_leases(where=Q(session_id__in=expire_sessions(now=now)), now=now)
    lost = free_leases(where=Q(passed_at__lt=now - UPLOAD_PATIENCE), now=now)
    slow = find(Q(expires_at__lt=now, end=LeaseEnd.OPEN))
    for lease in slow:
        fail_lease(lease=lease, end=LeaseEnd.EXPIRED, reason="it took longer than one frame may take", now=now)
    return len(silent) + len(lost) + len(slow)
