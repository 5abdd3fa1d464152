"""Every change of leases. A lease that has ended never changes again."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q

from sheepfold.server.core.config import config
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts, facts_of, find
from sheepfold.server.frames.states import TakenTile
from sheepfold.server.machines.queries import SessionFacts

TOKEN_BYTES = 24


def grant(*, pairs: Sequence[tuple[SessionFacts, TakenTile]], now: datetime) -> list[LeaseFacts]:
    """Leases for tiles that were just taken, in the order given."""
    expires_at = now + timedelta(hours=config().lease_hours)
    leases = [
        Lease(
            token=secrets.token_urlsafe(TOKEN_BYTES),
            tile_id=tile.id,
            session_id=session.id,
            project_id=tile.project_id,
            machine_id=session.machine_id,
            frame=tile.frame,
            started_at=now,
            expires_at=expires_at,
        )
        for session, tile in pairs
    ]
    return [facts_of(lease) for lease in Lease.objects.bulk_create(leases)]


def end_each(*, lease_ids: Sequence[int], end: LeaseEnd, now: datetime) -> set[int]:
    """End those of these leases that are open. Returns the ids that this call ended."""
    if not lease_ids:
        return set()
    marks = ", ".join(["%s"] * len(lease_ids))
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_END_EACH.format(marks=marks), [end, moment, *lease_ids])
        return {row[0] for row in cursor.fetchall()}


_END_EACH = 'UPDATE dispatch_lease SET "end" = %s, ended_at = %s WHERE "end" = \'\' AND id IN ({marks}) RETURNING id'


def end_matching(*, where: Q, end: LeaseEnd, now: datetime) -> list[LeaseFacts]:
    """End all open leases that match. Returns those that this call ended."""
    found = find(where & Q(end=LeaseEnd.OPEN))
    ended = end_each(lease_ids=[lease.id for lease in found], end=end, now=now)
    return [lease for lease in found if lease.id in ended]


def record_progress(*, lease_id: int, rendertime: int | None, remainingtime: int | None) -> None:
    """What a heartbeat said of a tile."""
    values = {"rendertime": rendertime, "remainingtime": remainingtime}
    Lease.objects.filter(pk=lease_id, end=LeaseEnd.OPEN).update(
        begun=True, **{name: value for name, value in values.items() if value is not None}
    )


def count_resent(*, lease_ids: Sequence[int]) -> None:
    """These leases were handed to their sessions once more."""
    Lease.objects.filter(pk__in=lease_ids).update(resent=F("resent") + 1)
