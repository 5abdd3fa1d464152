"""What is known about machines and sessions."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from sheepfold.protocol.codes import OwnerWish
from sheepfold.protocol.extras import STEERED_FROM
from sheepfold.server.core.statements import fetch, marks, moment, numbers
from sheepfold.server.machines.models import (
    LIVE_STATUSES,
    STOPPING,
    BlockedProject,
    Machine,
    Session,
    SessionStatus,
    StopWish,
)


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
    stop_wish: StopWish
    obeys: str  # the wish that the client said last that it obeys; empty: none yet
    groups: frozenset[int]
    blocked_owners: frozenset[int]
    blocked_projects: frozenset[int]

    @property
    def offered(self) -> Offered:
        """As the last job request said."""
        return Offered(self.compute_method, self.cores, self.ram_max_kib, self.gpu_name)

    @property
    def steered(self) -> bool:
        """Whether its client can be told what its owner wants."""
        return self.own_protocol >= STEERED_FROM

    @property
    def wish(self) -> OwnerWish:
        """What its owner asked for on the site."""
        if self.stop_wish in STOPPING:
            return OwnerWish(self.stop_wish)
        return OwnerWish.PAUSE if self.machine_paused else OwnerWish.RUN


# In the order of SessionFacts. Hot path (ADR 13).
_SESSIONS = """
SELECT s.id, s.token_hash, s.status, s.generation, s.own_protocol, s.max_silence, s.max_leases, s.expires_at,
    s.frames_done, s.machine_id, m.name, m.os, m.bits, m.ram_kib, m.paused, m.user_id, u.may_render,
    u.own_projects_first, s.compute_method, s.cores, s.ram_max_kib, m.gpu_name, m.cpu_power, m.gpu_power,
    m.wish, s.obeys
FROM machines_session s JOIN machines_machine m ON m.id = s.machine_id JOIN accounts_user u ON u.id = m.user_id
WHERE s.token_hash IN ({hashes})
"""
_GROUPS, _OWNERS, _PROJECTS = range(3)
_SETS = """
SELECT 0, user_id, group_id FROM accounts_membership WHERE user_id IN ({users})
UNION ALL SELECT 1, user_id, owner_id FROM accounts_blockedowner WHERE user_id IN ({users})
UNION ALL SELECT 2, machine_id, project_id FROM machines_blockedproject WHERE machine_id IN ({machines})
"""


def sessions_of_tokens(hashes: Collection[str]) -> dict[str, SessionFacts]:
    """The sessions by token hash, ended ones too; two statements however many are asked for."""
    wanted = list(set(hashes))
    found = fetch(_SESSIONS.format(hashes=marks(wanted)), wanted) if wanted else []
    sets = _sets({row[15] for row in found}, {row[9] for row in found}) if found else {}
    return {row[1]: _facts(row, sets) for row in found}


def _facts(row: tuple[Any, ...], sets: Mapping[tuple[int, int], Collection[int]]) -> SessionFacts:
    machine_id, user_id = row[9], row[15]
    keys = ((_GROUPS, user_id), (_OWNERS, user_id), (_PROJECTS, machine_id))
    members = (frozenset(sets.get(key, ())) for key in keys)
    values: tuple[Any, ...] = (
        *row[:2],
        SessionStatus(row[2]),
        *row[3:7],
        moment(row[7]),
        *row[8:24],
        StopWish(row[24]),
        row[25],
        *members,
    )
    return SessionFacts(*values)


def _sets(users: Collection[int], machines: Collection[int]) -> Mapping[tuple[int, int], Collection[int]]:
    """What users belong to and what users and machines have blocked, by kind and id of the user or the machine."""
    found: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    statement = _SETS.format(users=numbers(users), machines=numbers(machines))
    for kind, key, value in fetch(statement):
        found[(kind, key)].add(value)
    return found


def is_live(session: SessionFacts, now: datetime) -> bool:
    """Whether the session may still ask: not ended and not silent for too long."""
    return session.status in LIVE_STATUSES and session.expires_at >= now


def machines_of(user_id: int) -> list[Machine]:
    """A user's machines, the last that logged in first."""
    return list(Machine.objects.filter(user_id=user_id).order_by("-seen_at"))


def last_heard(machine_ids: Collection[int]) -> dict[int, datetime]:
    """When their newest sessions gave a sign of life; machines without any session are absent."""
    newest = Session.objects.filter(machine=OuterRef("pk")).order_by("-started_at").values("heard_at")[:1]
    rows = Machine.objects.filter(pk__in=machine_ids).annotate(heard_at=Subquery(newest))
    return {machine_id: moment for machine_id, moment in rows.values_list("pk", "heard_at") if moment is not None}


def connected_machines() -> int:
    """How many machines have a live session."""
    return Session.objects.filter(status__in=LIVE_STATUSES).values("machine_id").distinct().count()


def count_live_owners() -> int:
    """How many people have a machine with a live session."""
    return Session.objects.filter(status__in=LIVE_STATUSES).values("machine__user_id").distinct().count()


def count_live_sessions() -> int:
    """How many sessions have not ended."""
    return Session.objects.filter(status__in=LIVE_STATUSES).count()


def connected_among(machine_ids: Collection[int]) -> frozenset[int]:
    """Those of these machines that have a live session."""
    rows = Session.objects.filter(status__in=LIVE_STATUSES, machine_id__in=machine_ids)
    return frozenset(rows.values_list("machine_id", flat=True))


def live_machine_ids() -> frozenset[int]:
    """Machines that could be given work now."""
    rows = Session.objects.filter(status=SessionStatus.ACTIVE, machine__paused=False, machine__wish=StopWish.NONE)
    return frozenset(rows.values_list("machine_id", flat=True))


def blocked_projects(machine_id: int) -> list[BlockedProject]:
    """What the machine never gets, the latest first."""
    return list(BlockedProject.objects.filter(machine_id=machine_id).select_related("project").order_by("-id"))
