"""What is known about machines and sessions."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sheepfold.server.accounts.models import BlockedOwner, Membership
from sheepfold.server.machines.models import LIVE_STATUSES, BlockedProject, Machine, Session, SessionStatus


@dataclass(frozen=True, slots=True)
class Offered:
    """What a machine last said that it can do. Memory in KiB, None: no limit; no name of a GPU: none."""

    compute_method: int
    cores: int | None
    ram_max_kib: int | None
    gpu_name: str


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session with all that decides what it may render. Memory in KiB."""

    id: int
    token_hash: str
    status: SessionStatus
    generation: str
    own_protocol: int
    max_silence: int
    max_leases: int
    expires_at: datetime
    frames_done: int
    machine_id: int
    machine_name: str
    os: str
    bits: int
    ram_kib: int
    machine_paused: bool
    user_id: int
    may_render: bool
    own_projects_first: bool
    compute_method: int
    cores: int | None
    ram_max_kib: int | None
    gpu_name: str
    cpu_power: float | None  # per cent of the reference computer; None: not tested
    gpu_power: float | None
    groups: frozenset[int]
    blocked_owners: frozenset[int]
    blocked_projects: frozenset[int]

    @property
    def offered(self) -> Offered:
        """As the last job request said."""
        return Offered(self.compute_method, self.cores, self.ram_max_kib, self.gpu_name)


_FIELDS = (
    "id",
    "token_hash",
    "status",
    "generation",
    "own_protocol",
    "max_silence",
    "max_leases",
    "expires_at",
    "frames_done",
    "machine_id",
    "machine__name",
    "machine__os",
    "machine__bits",
    "machine__ram_kib",
    "machine__paused",
    "machine__user_id",
    "machine__user__may_render",
    "machine__user__own_projects_first",
    "compute_method",
    "cores",
    "ram_max_kib",
    "machine__gpu_name",
    "machine__cpu_power",
    "machine__gpu_power",
)


def sessions_of_tokens(hashes: Collection[str]) -> dict[str, SessionFacts]:
    """The sessions by token hash, ended ones too; four queries however many are asked for."""
    rows = list(Session.objects.filter(token_hash__in=set(hashes)).values_list(*_FIELDS))
    users = {row[15] for row in rows}
    groups = _sets(Membership.objects.filter(user_id__in=users).values_list("user_id", "group_id"))
    owners = _sets(BlockedOwner.objects.filter(user_id__in=users).values_list("user_id", "owner_id"))
    machines = {row[9] for row in rows}
    projects = _sets(BlockedProject.objects.filter(machine_id__in=machines).values_list("machine_id", "project_id"))
    return {row[1]: _facts(row, groups[row[15]], owners[row[15]], projects[row[9]]) for row in rows}


def _facts(row: tuple[Any, ...], groups: Iterable[int], owners: Iterable[int], projects: Iterable[int]) -> SessionFacts:
    sets = (frozenset(groups), frozenset(owners), frozenset(projects))
    values: tuple[Any, ...] = (*row[:2], SessionStatus(row[2]), *row[3:], *sets)
    return SessionFacts(*values)


def _sets(pairs: Iterable[tuple[int, int]]) -> defaultdict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return found


def is_live(session: SessionFacts, now: datetime) -> bool:
    """Whether the session may still ask: not ended and not silent for too long."""
    return session.status in LIVE_STATUSES and session.expires_at >= now


def machines_of(user_id: int) -> list[Machine]:
    """A user's machines, the last seen first."""
    return list(Machine.objects.filter(user_id=user_id).order_by("-seen_at"))


def connected_machines() -> int:
    """How many machines have a live session."""
    return Session.objects.filter(status__in=LIVE_STATUSES).values("machine_id").distinct().count()


def count_live_sessions() -> int:
    """How many sessions have not ended."""
    return Session.objects.filter(status__in=LIVE_STATUSES).count()


def connected_among(machine_ids: Collection[int]) -> frozenset[int]:
    """Those of these machines that have a live session."""
    rows = Session.objects.filter(status__in=LIVE_STATUSES, machine_id__in=machine_ids)
    return frozenset(rows.values_list("machine_id", flat=True))


def live_machine_ids() -> frozenset[int]:
    """Machines that could be given work now."""
    rows = Session.objects.filter(status=SessionStatus.ACTIVE, machine__paused=False)
    return frozenset(rows.values_list("machine_id", flat=True))
