"""What is known about leases."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from sheepfold.server.dispatch.models import Lease, LeaseEnd


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """A lease as the stages pass it on."""

    id: int
    token: str
    tile_id: int
    session_id: int
    project_id: int
    machine_id: int
    frame: int
    end: LeaseEnd
    begun: bool = False
    resent: int = 0
    rendertime: int = 0  # seconds, as the last heartbeat said


def find(where: Q) -> list[LeaseFacts]:
    """The leases that match, the oldest first."""
    return [facts_of(lease) for lease in Lease.objects.filter(where).order_by("id")]


def find_by_tokens(tokens: Iterable[str]) -> dict[str, LeaseFacts]:
    """Leases by token; unknown tokens are absent."""
    return {lease.token: lease for lease in find(Q(token__in=set(tokens)))}


def open_by_session(session_ids: Iterable[int]) -> dict[int, list[LeaseFacts]]:
    """The open leases of sessions, the oldest first; sessions without any are absent."""
    found: dict[int, list[LeaseFacts]] = {}
    for lease in find(Q(session_id__in=set(session_ids), end=LeaseEnd.OPEN)):
        found.setdefault(lease.session_id, []).append(lease)
    return found


def facts_of(lease: Lease) -> LeaseFacts:
    """What a row says."""
    return LeaseFacts(
        id=lease.pk,
        token=lease.token,
        tile_id=lease.tile_id,
        session_id=lease.session_id,
        project_id=lease.project_id,
        machine_id=lease.machine_id,
        frame=lease.frame,
        end=LeaseEnd(lease.end),
        begun=lease.begun,
        resent=lease.resent,
        rendertime=lease.rendertime,
    )


def count_open() -> int:
    """How many leases are open."""
    return Lease.objects.filter(end=LeaseEnd.OPEN).count()


def holds_lease_of(session_id: int, project_id: int) -> bool:
    """Whether the session holds an open lease of the project."""
    return Lease.objects.filter(session_id=session_id, project_id=project_id, end=LeaseEnd.OPEN).exists()
