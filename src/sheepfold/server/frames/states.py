"""The only writer of tile status. Each move is one statement that names the status it expects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from sheepfold.server.core.statements import fetch, numbers, stored
from sheepfold.server.frames.models import Tile, TileStatus

ALLOWED = {
    TileStatus.WAITING: frozenset({TileStatus.RENDERING, TileStatus.DONE, TileStatus.CANCELLED, TileStatus.FAILED}),
    TileStatus.RENDERING: frozenset({TileStatus.WAITING, TileStatus.DONE, TileStatus.FAILED, TileStatus.CANCELLED}),
    TileStatus.DONE: frozenset({TileStatus.WAITING}),  # re-render
    TileStatus.FAILED: frozenset({TileStatus.WAITING, TileStatus.DONE}),
    TileStatus.CANCELLED: frozenset({TileStatus.WAITING}),
}


@dataclass(frozen=True, slots=True)
class TakenTile:
    """A tile that a claim has just moved from waiting to rendering."""

    id: int
    project_id: int
    frame: int


def move(
    tile_ids: Iterable[int],
    *,
    came_from: TileStatus,
    to: TileStatus,
    now: datetime,
    failures: int | None = None,
) -> int:
    """Move tiles that are in the expected status; the others stay. Returns how many moved."""
    if to not in ALLOWED[came_from]:
        raise ValueError(f"a tile does not go from {came_from.label} to {to.label}")
    values: dict[str, object] = {"status": to, "changed_at": now}
    if failures is not None:
        values["failures"] = failures
    return Tile.objects.filter(pk__in=list(tile_ids), status=came_from).update(**values)


def move_all(project_id: int, *, came_from: TileStatus, to: TileStatus, now: datetime) -> int:
    """The same for every tile of a project."""
    if to not in ALLOWED[came_from]:
        raise ValueError(f"a tile does not go from {came_from.label} to {to.label}")
    return Tile.objects.filter(project_id=project_id, status=came_from).update(status=to, changed_at=now)


def move_each(tile_ids: Sequence[int], *, came_from: TileStatus, to: TileStatus, now: datetime) -> set[int]:
    """Like `move`, and tells which tiles moved."""
    if to not in ALLOWED[came_from]:
        raise ValueError(f"a tile does not go from {came_from.label} to {to.label}")
    if not tile_ids:
        return set()
    statement = _MOVE_EACH.format(ids=numbers(tile_ids))
    return {row[0] for row in fetch(statement, [to, stored(now), came_from])}


def take_fresh(wanted: Mapping[int, int], *, now: datetime) -> dict[int, list[TakenTile]]:
    """Take waiting tiles that no machine has failed, in the order of their rank, of many projects in one statement.

    `wanted`: how many, by project. Returns what was there, by project; projects without any are absent.
    """
    part = _WANTED.format(condition=_FRESH, lock=_lock())
    parameters = [value for pair in wanted.items() for value in pair]
    tiles = _take(" UNION ALL ".join([part] * len(wanted)), [*parameters, TileStatus.RENDERING, stored(now)])
    taken: dict[int, list[TakenTile]] = {}
    for tile in tiles:
        taken.setdefault(tile.project_id, []).append(tile)
    return taken


def take_again(project_id: int, machine_id: int, *, now: datetime) -> list[TakenTile]:
    """Take one waiting tile that other machines failed, never one that this machine failed."""
    part = _WANTED.format(condition=_AGAIN, lock=_lock())
    return _take(part, [project_id, machine_id, 1, TileStatus.RENDERING, stored(now)])


_MOVE_EACH = "UPDATE frames_tile SET status = %s, changed_at = %s WHERE status = %s AND id IN ({ids}) RETURNING id"

# `status = 0` and not a parameter: the planner uses a partial index only when it can see the constant.
# MATERIALIZED: a plan may otherwise run the subquery once for each row of the table. Then it passes over what it has
# just updated itself, finds the next tile, and more are taken than asked for, which nobody renders.
_TAKE = """
WITH wanted AS MATERIALIZED ({parts})
UPDATE frames_tile SET status = %s, changed_at = %s WHERE status = 0 AND id IN (SELECT id FROM wanted)
RETURNING id, project_id, frame, rank
"""
_WANTED = """SELECT id FROM (
    SELECT t.id FROM frames_tile t WHERE t.status = 0 AND t.project_id = %s AND {condition}
    ORDER BY t.rank LIMIT %s{lock}
) AS of_project"""
_FRESH = "t.failures = 0"
_AGAIN = """t.failures > 0 AND NOT EXISTS (
        SELECT 1 FROM frames_tilefailure f WHERE f.tile_id = t.id AND f.machine_id = %s AND NOT f.forgiven
    )"""


def _take(parts: str, parameters: Sequence[Any]) -> list[TakenTile]:
    taken = fetch(_TAKE.format(parts=parts), parameters)
    taken.sort(key=lambda row: int(row[3]))  # RETURNING promises no order
    return [TakenTile(id=row[0], project_id=row[1], frame=row[2]) for row in taken]


def _lock() -> str:
    return " FOR UPDATE OF t SKIP LOCKED" if connection.vendor == "postgresql" else ""
