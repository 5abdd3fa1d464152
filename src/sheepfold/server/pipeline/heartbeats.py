"""A machine gives a sign of life. `HeartbeatDesk.serve` is a group handler."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from sheepfold.protocol.codes import HeartbeatStatus, OwnerWish
from sheepfold.protocol.limits import OWN_HEARTBEATS_MISSED
from sheepfold.protocol.messages import Heartbeat
from sheepfold.server.core.clock import now
from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.actions import Progress, record_progress
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts, find, find_by_tokens, open_by_session
from sheepfold.server.machines.actions import expire_sessions, record_obeyed, record_signs_of_life
from sheepfold.server.machines.queries import SessionFacts, is_live, sessions_of_tokens
from sheepfold.server.pipeline.endings import fail_lease, free_leases
from sheepfold.server.pipeline.farm_facts import FarmFacts
from sheepfold.server.pipeline.steering import note_stops

UPLOAD_PATIENCE = timedelta(minutes=15)  # all tries of the slowest client, on a slow line; a later result counts too


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat with the hash of its session's cookie, if it sent one."""

    token_hash: str | None
    message: Heartbeat


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat is answered. `wish`, `wait_seconds`: for clients that obey their owner's wish on the site."""

    status: HeartbeatStatus
    wish: OwnerWish | None = None
    wait_seconds: int | None = None


class HeartbeatDesk:
    """Serves the signs of life of one process."""

    def __init__(self, facts: FarmFacts) -> None:
        self._facts = facts

    def serve(self, beats: Sequence[Beat]) -> list[Pulse]:
        """Go on, or stop the tile because its lease has ended. Without a tile there is nothing to stop."""
        moment = now()
        sessions = sessions_of_tokens([beat.token_hash for beat in beats if beat.token_hash])
        live = {token: session for token, session in sessions.items() if is_live(session, moment)}
        record_signs_of_life(sessions={(one.id, one.max_silence) for one in live.values()}, now=moment)
        held = open_by_session([session.id for session in live.values()])
        _drop_blocked(live.values(), held, moment)
        by_token = find_by_tokens([beat.message.extras for beat in beats if beat.message.extras])
        leases = [_lease(beat, live.get(beat.token_hash or ""), by_token, held) for beat in beats]
        record_progress(said=[_progress(lease, beat) for lease, beat in zip(leases, beats, strict=True) if lease])
        for beat in beats:
            _note_obeyed(beat, live.get(beat.token_hash or ""))
        return [
            self._pulse(_answer(beat, lease), live.get(beat.token_hash or ""))
            for lease, beat in zip(leases, beats, strict=True)
        ]

    def _pulse(self, status: HeartbeatStatus, session: SessionFacts | None) -> Pulse:
        """A small farm is told more often, so that its machines obey within seconds."""
        if session is None or not session.steered:
            return Pulse(status)
        agreed = session.max_silence // OWN_HEARTBEATS_MISSED
        return Pulse(status, session.wish, min(self._facts.wait_seconds(), agreed))


def _drop_blocked(sessions: Collection[SessionFacts], held: dict[int, list[LeaseFacts]], moment: datetime) -> None:
    """A project may be blocked while a claim is under way, which then still gives the machine a tile of it."""
    leases = [one for session in sessions for one in held.get(session.id, ()) if _is_blocked(one, session)]
    if leases:
        free_leases(where=Q(id__in=[lease.id for lease in leases]), now=moment, end=LeaseEnd.CANCELLED)
        for lease in leases:
            held[lease.session_id].remove(lease)


def _is_blocked(lease: LeaseFacts, session: SessionFacts) -> bool:
    return lease.project_id in session.blocked_projects


def _note_obeyed(beat: Beat, session: SessionFacts | None) -> None:
    wish = beat.message.wish
    if session is not None and wish is not None and wish != session.obeys:
        record_obeyed(session_id=session.id, wish=wish)
        publish(topic="machines", kind="obeys", reference=str(session.machine_id))


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
    ended = expire_sessions(now=now)
    note_stops(session_ids=ended)
    silent = free_leases(where=Q(session_id__in=ended), now=now)
    lost = free_leases(where=Q(passed_at__lt=now - UPLOAD_PATIENCE), now=now)
    slow = find(Q(expires_at__lt=now, end=LeaseEnd.OPEN))
    for lease in slow:
        fail_lease(lease=lease, end=LeaseEnd.EXPIRED, reason="it took longer than one frame may take", now=now)
    return len(silent) + len(lost) + len(slow)
