"""Every change of tiles and of what is known about their failures."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import Count

from sheepfold.server.frames import states
from sheepfold.server.frames.models import Tile, TileFailure, TileStatus
from sheepfold.server.frames.planning import PlannedTile
from sheepfold.server.projects.models import ProjectStatus

MAX_MACHINES_FAILED = 3  # a tile that so many machines failed is not worth another try
INSERT_BATCH = 2000
GOING_ON = (ProjectStatus.RENDERING, ProjectStatus.PAUSED, ProjectStatus.FINISHED)


def add_tiles(*, project_id: int, planned: Sequence[PlannedTile], now: datetime) -> int:
    """Add the planned tiles that the project does not have yet. Returns how many are new."""
    present = set(Tile.objects.filter(project_id=project_id).values_list("frame", "part"))
    fresh = [
        Tile(
            project_id=project_id,
            frame=tile.frame,
            part=tile.part,
            parts=tile.parts,
            rank=tile.rank,
            status=TileStatus.WAITING,
            changed_at=now,
        )
        for tile in planned
        if (tile.frame, tile.part) not in present
    ]
    Tile.objects.bulk_create(fresh, batch_size=INSERT_BATCH)
    return len(fresh)


def give_back(*, tile_ids: Sequence[int], now: datetime) -> set[int]:
    """Tiles whose lease ended without a result wait again. Returns those that moved."""
    return states.move_each(list(tile_ids), came_from=TileStatus.RENDERING, to=TileStatus.WAITING, now=now)


def record_failure(*, tile_id: int, machine_id: int, owner_id: int, reason: str, now: datetime) -> int:
    """This machine failed this tile. Returns how many different machines did so by now."""
    TileFailure.objects.update_or_create(
        tile_id=tile_id,
        machine_id=machine_id,
        defaults={"owner_id": owner_id, "reason": reason[:300], "created_at": now, "forgiven": False},
    )
    count = TileFailure.objects.filter(tile_id=tile_id).count()
    Tile.objects.filter(pk=tile_id).update(failures=count)
    return count


def forget_failures(*, tile_id: int) -> None:
    """The machines were right after all (another one sent the same picture), or an owner wants a fresh try."""
    TileFailure.objects.filter(tile_id=tile_id).delete()
    Tile.objects.filter(pk=tile_id).update(failures=0)


def forgive_failures(*, tile_id: int) -> None:
    """Let machines that failed this tile try again."""
    TileFailure.objects.filter(tile_id=tile_id).update(forgiven=True)


def forget_machine(*, machine_id: int, now: datetime) -> set[int]:
    """A machine turned out to be broken, so what it failed says nothing about the tiles.

    Tiles that are failed for good only because of it wait again. Returns their projects.
    """
    failed = set(TileFailure.objects.filter(machine_id=machine_id).values_list("tile_id", flat=True))
    TileFailure.objects.filter(machine_id=machine_id).delete()
    counts = dict(Tile.objects.filter(pk__in=failed).annotate(left=Count("failed_on")).values_list("id", "left"))
    for tile_id, left in counts.items():
        Tile.objects.filter(pk=tile_id).update(failures=left)
    innocent = Tile.objects.filter(
        pk__in=[tile_id for tile_id, left in counts.items() if left < MAX_MACHINES_FAILED],
        project__status__in=GOING_ON,
    )
    moved = states.move_each(
        list(innocent.values_list("id", flat=True)), came_from=TileStatus.FAILED, to=TileStatus.WAITING, now=now
    )
    return set(Tile.objects.filter(pk__in=moved).values_list("project_id", flat=True))


def fail_tile(*, tile_id: int, now: datetime) -> bool:
    """Nobody gets this tile again until its owner asks for it."""
    return states.move([tile_id], came_from=TileStatus.WAITING, to=TileStatus.FAILED, now=now) == 1


def cancel_tiles(*, project_id: int, now: datetime) -> int:
    """Nothing of this project is rendered any more; what is done stays."""
    return sum(
        states.move_all(project_id, came_from=status, to=TileStatus.CANCELLED, now=now)
        for status in (TileStatus.WAITING, TileStatus.RENDERING)
    )


def take_back(*, tile_ids: Collection[int], now: datetime) -> dict[int, list[int]]:
    """The images of these done tiles are wrong, so they wait again where the project goes on, and are cancelled where
    it does not. Returns the frames that wait, by project."""
    done = states.move_each(list(tile_ids), came_from=TileStatus.DONE, to=TileStatus.WAITING, now=now)
    going_on = Tile.objects.filter(pk__in=done, project__status__in=GOING_ON)
    waiting: dict[int, list[int]] = {}
    for tile_id, project_id, frame in going_on.order_by("frame").values_list("id", "project_id", "frame"):
        waiting.setdefault(project_id, []).append(frame)
        done.discard(tile_id)
    states.move(done, came_from=TileStatus.WAITING, to=TileStatus.CANCELLED, now=now)
    return waiting


def render_again(*, project_id: int, frames: Sequence[int], now: datetime) -> list[int]:
    """Done, failed and cancelled tiles of these frames wait again, with a clean record. Returns their ids."""
    moved: set[int] = set()
    ids = list(Tile.objects.filter(project_id=project_id, frame__in=frames).values_list("id", flat=True))
    for status in (TileStatus.DONE, TileStatus.FAILED, TileStatus.CANCELLED):
        moved |= states.move_each(ids, came_from=status, to=TileStatus.WAITING, now=now)
    TileFailure.objects.filter(tile_id__in=moved).delete()
    Tile.objects.filter(pk__in=moved).exclude(failures=0).update(failures=0)
    return sorted(moved)
