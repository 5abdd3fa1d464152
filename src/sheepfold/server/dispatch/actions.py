"""Every change of leases. A lease that has ended stays as it is, unless its result comes late and is taken."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from sheepfold.server.core.bulk import insert_rows
from sheepfold.server.core.config import config
from sheepfold.server.core.statements import change, fetch, numbers, stored
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts, find
from sheepfold.server.frames.states import TakenTile
from sheepfold.server.machines.queries import SessionFacts

TOKEN_BYTES = 24


_COLUMNS = (
    "token",
    "tile_id",
    "session_id",
    "project_id",
    "machine_id",
    "frame",
    "started_at",
    "expires_at",
    "rendertime",
    "remainingtime",
    "begun",
    "resent",
    "end",
)


@dataclass(frozen=True, slots=True)
class Taking:
    """A tile that was just taken for a session. `max_minutes`: as the project says, 0 as long as the farm allows."""

    session: SessionFacts
    tile: TakenTile
    max_minutes: int = 0


def grant(*, takings: Sequence[Taking], now: datetime) -> list[LeaseFacts]:
    """Leases for tiles that were just taken, in the order given."""
    if not takings:
        return []
    keys = [_key(taking) for taking in takings]
    leases = [
        (*key, now, _expiry(taking, now), 0, 0, False, 0, LeaseEnd.OPEN)
        for key, taking in zip(keys, takings, strict=True)
    ]
    ids = insert_rows(Lease, _COLUMNS, leases)
    return [LeaseFacts(ids[key[0]], *key, LeaseEnd.OPEN) for key in keys]


def grant_verifier(*, session: SessionFacts, tile: TakenTile, verification_id: int, now: datetime) -> LeaseFacts:
    """A lease for a tile that is done, to be rendered again for comparison. It looks like any other to the machine."""
    taking = Taking(session, tile)
    key = _key(taking)
    lease = (*key, now, _expiry(taking, now), 0, 0, False, 0, LeaseEnd.OPEN, verification_id)
    ids = insert_rows(Lease, (*_COLUMNS, "verification_id"), [lease])
    return LeaseFacts(ids[key[0]], *key, LeaseEnd.OPEN, verification_id=verification_id)


def _key(taking: Taking) -> tuple[str, int, int, int, int, int]:
    session, tile = taking.session, taking.tile
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return (token, tile.id, session.id, tile.project_id, session.machine_id, tile.frame)


def _expiry(taking: Taking, now: datetime) -> datetime:
    longest = timedelta(hours=config().lease_hours)
    return now + (min(timedelta(minutes=taking.max_minutes), longest) if taking.max_minutes else longest)


def end_each(*, lease_ids: Sequence[int], end: LeaseEnd, now: datetime) -> set[int]:
    """End those of these leases that are open. Returns the ids that this call ended."""
    if not lease_ids:
        return set()
    return {row[0] for row in fetch(_END_EACH.format(ids=numbers(lease_ids)), [end, stored(now)])}


_END_EACH = 'UPDATE dispatch_lease SET "end" = %s, ended_at = %s WHERE "end" = \'\' AND id IN ({ids}) RETURNING id'


def accept_late(*, lease_id: int) -> bool:
    """The result of a lease that had ended otherwise is taken, since its tile still waits. False if it was revoked."""
    rows = Lease.objects.filter(pk=lease_id).exclude(end__in=(LeaseEnd.OPEN, LeaseEnd.REVOKED))
    return bool(rows.update(end=LeaseEnd.ACCEPTED))


def revoke(*, machine_id: int, now: datetime) -> list[LeaseFacts]:
    """No result of this machine is taken any more, not even late. Returns the leases that were open."""
    ended = end_matching(where=Q(session__machine_id=machine_id), end=LeaseEnd.REVOKED, now=now)
    rows = Lease.objects.filter(session__machine_id=machine_id)
    rows.exclude(end__in=(LeaseEnd.OPEN, LeaseEnd.ACCEPTED)).update(end=LeaseEnd.REVOKED)
    return ended


def end_matching(*, where: Q, end: LeaseEnd, now: datetime) -> list[LeaseFacts]:
    """End all open leases that match. Returns those that this call ended."""
    found = find(where & Q(end=LeaseEnd.OPEN))
    ended = end_each(lease_ids=[lease.id for lease in found], end=end, now=now)
    return [lease for lease in found if lease.id in ended]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a heartbeat said of a tile, in seconds; None: it did not say."""

    lease_id: int
    rendertime: int | None
    remainingtime: int | None


def record_progress(*, said: Sequence[Progress]) -> None:
    """Note the progress of open leases, all in one statement. Their machines render them now."""
    if not said:
        return
    values = [value for one in said for value in (one.lease_id, one.rendertime, one.remainingtime)]
    change(_RECORD_PROGRESS.format(rows=", ".join([_PROGRESS_ROW] * len(said))), values)


_PROGRESS_ROW = "(CAST(%s AS bigint), CAST(%s AS integer), CAST(%s AS integer))"
_RECORD_PROGRESS = """
WITH said(id, rendertime, remainingtime) AS (VALUES {rows})
UPDATE dispatch_lease SET
    begun = true,
    passed_at = NULL,
    rendertime = COALESCE(said.rendertime, dispatch_lease.rendertime),
    remainingtime = COALESCE(said.remainingtime, dispatch_lease.remainingtime)
FROM said WHERE dispatch_lease.id = said.id AND "end" = ''
"""


def count_resent(*, lease_ids: Sequence[int]) -> None:
    """These leases were handed to their sessions once more."""
    if lease_ids:
        Lease.objects.filter(pk__in=lease_ids).update(resent=F("resent") + 1, passed_at=None)


def mark_passed(*, lease_ids: Sequence[int], now: datetime) -> None:
    """The machines of these leases asked for more work: what they still hold can only be on its way to the farm."""
    if lease_ids:
        Lease.objects.filter(pk__in=lease_ids, end=LeaseEnd.OPEN, passed_at=None).update(passed_at=now)


def hand_over(*, tokens: Collection[str], came_from: Collection[int], to: int) -> None:
    """The named open leases of these sessions go to another session of the same machine."""
    Lease.objects.filter(token__in=tokens, session_id__in=came_from, end=LeaseEnd.OPEN).update(session_id=to)
