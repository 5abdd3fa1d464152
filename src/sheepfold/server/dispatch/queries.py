"""What is known about leases."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import Q

from sheepfold.protocol.generations import Generation
from sheepfold.server.core.statements import fetch, marks, moment, numbers
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.models import SessionStatus


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
    verification_id: int | None = None  # it renders a finished tile again, for comparison only


_COLUMNS = tuple(field.name for field in fields(LeaseFacts))


def find(where: Q) -> list[LeaseFacts]:
    """The leases that match, the oldest first."""
    return [facts_of(row) for row in Lease.objects.filter(where).order_by("id").values_list(*_COLUMNS)]


def find_by_tokens(tokens: Iterable[str]) -> dict[str, LeaseFacts]:
    """Leases by token; unknown tokens are absent."""
    wanted = list(set(tokens))
    found = fetch(_LEASES.format(condition=f"token IN ({marks(wanted)})"), wanted) if wanted else []
    return {lease.token: lease for lease in map(facts_of, found)}


def open_by_session(session_ids: Collection[int]) -> dict[int, list[LeaseFacts]]:
    """The open leases of sessions, the oldest first; sessions without any are absent."""
    condition = f"\"end\" = '' AND session_id IN ({numbers(session_ids)})"
    held: dict[int, list[LeaseFacts]] = {}
    for lease in map(facts_of, fetch(_LEASES.format(condition=condition)) if session_ids else ()):
        held.setdefault(lease.session_id, []).append(lease)
    return held


LEASE_COLUMNS = ", ".join(f'l."{name}"' for name in _COLUMNS)
_LEASES = f"SELECT {LEASE_COLUMNS} FROM dispatch_lease l WHERE {{condition}} ORDER BY id"  # noqa: S608


def facts_of(row: tuple[Any, ...]) -> LeaseFacts:
    """What a row says that was read with LEASE_COLUMNS."""
    values: tuple[Any, ...] = (*row[:7], LeaseEnd(row[7]), bool(row[8]), *row[9:])
    return LeaseFacts(*values)


@dataclass(frozen=True, slots=True)
class LeaseContext:
    """A lease with all that decides about its upload. Sizes in pixels of the project's images."""

    lease: LeaseFacts
    started_at: datetime
    ended_at: datetime | None
    tile_status: TileStatus
    session_status: SessionStatus
    generation: Generation
    machine_user_id: int
    owner_id: int
    width: int
    height: int


_CONTEXTS = f"""
SELECT {LEASE_COLUMNS}, l.started_at, l.ended_at, t.status, s.status, s.generation, m.user_id,
    p.owner_id, p.width, p.height
FROM dispatch_lease l JOIN frames_tile t ON t.id = l.tile_id JOIN projects_project p ON p.id = t.project_id
JOIN machines_session s ON s.id = l.session_id JOIN machines_machine m ON m.id = s.machine_id
WHERE l.token IN ({{marks}})
"""  # noqa: S608


def contexts_of_tokens(tokens: Iterable[str]) -> dict[str, LeaseContext]:
    """Leases with their surroundings, by token; unknown tokens are absent."""
    wanted = list(set(tokens))
    found = fetch(_CONTEXTS.format(marks=marks(wanted)), wanted) if wanted else []
    return {context.lease.token: context for context in map(_context_of, found)}


def _context_of(row: tuple[Any, ...]) -> LeaseContext:
    lease, (started, ended, tile, session, generation, *parties_and_size) = row[: len(_COLUMNS)], row[len(_COLUMNS) :]
    return LeaseContext(
        facts_of(lease),
        moment(started),
        moment(ended) if ended else None,
        TileStatus(tile),
        SessionStatus(session),
        Generation(generation),
        *parties_and_size,
    )


def count_open() -> int:
    """How many leases are open."""
    return Lease.objects.filter(end=LeaseEnd.OPEN).count()


@dataclass(frozen=True, slots=True)
class HeldProject:
    """A project of which a session renders a tile, and the archive of its scene, if it has one. Size in bytes."""

    id: int
    revision: int
    renderer_id: int | None
    sha256: str | None
    md5: str | None
    size: int | None


_HELD_PROJECTS = """
SELECT l.session_id, p.id, p.revision, p.renderer_id, b.sha256, b.md5, b.size
FROM dispatch_lease l JOIN projects_project p ON p.id = l.project_id
LEFT JOIN core_blob b ON b.sha256 = p.archive_id
WHERE l."end" = '' AND l.session_id IN ({sessions})
"""


def held_projects(session_ids: Collection[int]) -> dict[int, list[HeldProject]]:
    """What each session renders; those that render nothing are absent."""
    held: dict[int, list[HeldProject]] = {}
    if session_ids:
        for session_id, *values in fetch(_HELD_PROJECTS.format(sessions=numbers(session_ids))):
            held.setdefault(session_id, []).append(HeldProject(*values))
    return held


def held_by(machine_id: int, project_id: int) -> bool:
    """Whether the machine renders a tile of the project or ever has."""
    return Lease.objects.filter(session__machine_id=machine_id, project_id=project_id).exists()  # has an index
