"""What is known about results, error logs and points."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from sheepfold.server.frames.queries import TileCounts
from sheepfold.server.results.models import ErrorLog, PointsEntry, Result, Verdict


@dataclass(frozen=True, slots=True)
class FrameFact:
    """An accepted image. `rendertime` in seconds, `size` in bytes."""

    result_id: int
    tile_id: int
    frame: int
    part: int
    blob_sha: str
    thumbnail_sha: str
    format: str
    size: int
    rendertime: float
    machine_id: int
    created_at: datetime


def accepted_frames(project_id: int, *, after: int = -1, limit: int | None = None) -> list[FrameFact]:
    """The accepted images of a project by frame, those of frames above `after` only."""
    rows = Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED, tile__frame__gt=after)
    return [FrameFact(*row) for row in rows.order_by("tile__frame", "tile__part").values_list(*_FRAME)[:limit]]


_FRAME = (
    "id",
    "tile_id",
    "tile__frame",
    "tile__part",
    "blob_id",
    "thumbnail_id",
    "format",
    "size",
    "rendertime",
    "machine_id",
    "created_at",
)


def others_have_content(project_id: int, machine_id: int) -> bool:
    """Whether other machines sent frames of this project that are not of one colour."""
    return (
        Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED, constant=False)
        .exclude(machine_id=machine_id)
        .exists()
    )


def rendered_by_others(project_ids: Collection[int], machine_id: int) -> frozenset[int]:
    """Those of these projects of which other machines have rendered a frame."""
    rows = Result.objects.filter(project_id__in=project_ids, verdict=Verdict.ACCEPTED).exclude(machine_id=machine_id)
    return frozenset(rows.values_list("project_id", flat=True).distinct())


def another_sent_one_colour(tile_id: int, machine_id: int) -> bool:
    """Whether another machine sent an image of one colour for this very tile."""
    return Result.objects.filter(tile_id=tile_id, verdict=Verdict.BLANK).exclude(machine_id=machine_id).exists()


def accepted_since(since: datetime) -> int:
    """How many images were accepted since a time."""
    return Result.objects.filter(created_at__gte=since, verdict=Verdict.ACCEPTED).count()


def balance(user_id: int) -> int:
    """Thousandths of a point that a user has."""
    return PointsEntry.objects.filter(user_id=user_id).aggregate(total=Sum("millipoints"))["total"] or 0


PACE_FRAMES = 30  # the newest frames tell how long the next will take


def seconds_left(project_id: int, counts: TileCounts) -> float | None:
    """Until all tiles are done, as the newest ones went; None if nothing tells."""
    if not counts.open:
        return 0.0
    newest = Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED).order_by("-created_at")
    times = list(newest.values_list("rendertime", flat=True)[:PACE_FRAMES])
    if not times:
        return None
    return counts.open * sum(times) / len(times) / max(1, counts.rendering)


def error_logs(project_id: int, frame: int | None = None) -> list[ErrorLog]:
    """Error reports about a project, the newest first."""
    rows = ErrorLog.objects.filter(project_id=project_id).select_related("tile")
    return list((rows if frame is None else rows.filter(tile__frame=frame)).order_by("-created_at"))
