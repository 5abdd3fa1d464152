"""The frames of a project in the compact form that the page draws from, and what changed since the last look."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.frames.queries import TileCounts, tile_counts
from sheepfold.server.machines.models import Machine
from sheepfold.server.projects.models import Project
from sheepfold.server.results.models import Result, Verdict
from sheepfold.server.results.queries import seconds_left

LETTERS = {
    TileStatus.WAITING: "w",
    TileStatus.RENDERING: "r",
    TileStatus.DONE: "d",
    TileStatus.FAILED: "f",
    TileStatus.CANCELLED: "c",
}
# a frame of several tiles shows the state that matters most
WEIGHT = {letter: weight for weight, letter in enumerate("dcwrf")}
OVERLAP = timedelta(seconds=5)  # results are dated before their commit; look back this far


@dataclass(frozen=True, slots=True)
class DoneFrame:
    """A finished frame: which result shows it, seconds of rendering, and by which machine."""

    frame: int
    result: int
    seconds: float
    machine: int

    def as_row(self) -> list[float]:
        """Compact for JSON."""
        return [self.frame, self.result, round(self.seconds, 2), self.machine]


@dataclass(frozen=True, slots=True)
class FrameNews:
    """What changed since the last look. `counts` let a page notice that it missed something."""

    rendering: tuple[int, ...]
    done: tuple[DoneFrame, ...]
    counts: TileCounts
    seconds_left: float | None

    def as_json(self) -> dict[str, Any]:
        """Compact for the wire."""
        return {
            "rendering": self.rendering,
            "done": [frame.as_row() for frame in self.done],
            "counts": counts_json(self.counts),
            "left": self.seconds_left,
        }


class FrameReader:
    """Reads the news of one project again and again."""

    def __init__(self, project_id: int) -> None:
        self._project_id = project_id
        self._seen: dict[int, datetime] = {}
        self._since = _newest_result(project_id)
        self._last: tuple[tuple[int, ...], TileCounts] | None = None

    def news(self) -> FrameNews | None:
        """None if nothing changed."""
        done = self._new_results()
        rendering = rendering_frames(self._project_id)
        counts = tile_counts(self._project_id)
        if not done and self._last == (rendering, counts):
            return None
        self._last = (rendering, counts)
        return FrameNews(rendering, done, counts, seconds_left(self._project_id, counts))

    def _new_results(self) -> tuple[DoneFrame, ...]:
        rows = Result.objects.filter(project_id=self._project_id, verdict=Verdict.ACCEPTED)
        if self._since is not None:
            rows = rows.filter(created_at__gte=self._since - OVERLAP)
        found = list(rows.values_list("tile__frame", "id", "rendertime", "machine_id", "created_at"))
        fresh = [row for row in found if row[1] not in self._seen]
        self._seen = {row[1]: row[4] for row in found}
        if found:
            self._since = max(row[4] for row in found)
        return tuple(DoneFrame(*row[:4]) for row in fresh)


def _newest_result(project_id: int) -> datetime | None:
    newest = Result.objects.filter(project_id=project_id).order_by("-created_at")
    return newest.values_list("created_at", flat=True).first()


def rendering_frames(project_id: int) -> tuple[int, ...]:
    """Frames that machines render now."""
    leases = Lease.objects.filter(project_id=project_id, end=LeaseEnd.OPEN, verification_id=None).order_by("frame")
    return tuple(leases.values_list("frame", flat=True))


def counts_json(counts: TileCounts) -> dict[str, int]:
    """Counts by the letter of their state."""
    return {
        "w": counts.waiting,
        "r": counts.rendering,
        "d": counts.done,
        "f": counts.failed,
        "c": counts.cancelled,
    }


def all_frames(project: Project, *, name_machines: bool) -> dict[str, Any]:
    """Everything that the grid of a project needs: frame numbers as runs, one letter a frame, rows of what is done."""
    tiles = Tile.objects.filter(project=project).order_by("frame", "part").values_list("frame", "status")
    states = [(frame, _state(statuses)) for frame, statuses in groupby(tiles, key=lambda row: row[0])]
    done = Result.objects.filter(project_id=project.pk, verdict=Verdict.ACCEPTED)
    rows = [DoneFrame(*row) for row in done.values_list("tile__frame", "id", "rendertime", "machine_id")]
    counts = tile_counts(project.pk)
    return {
        "runs": _runs([frame for frame, _ in states]),
        "states": "".join(letter for _, letter in states),
        "done": [row.as_row() for row in rows],
        "machines": _names({row.machine for row in rows}) if name_machines else {},
        "counts": counts_json(counts),
        "left": seconds_left(project.pk, counts),
        "fps": project.fps,
        "width": project.width or 16,
        "height": project.height or 9,
    }


def _state(tiles: Any) -> str:
    return max((LETTERS[TileStatus(status)] for _, status in tiles), key=WEIGHT.__getitem__)


def _runs(frames: list[int]) -> list[tuple[int, int]]:
    """Sorted numbers as (first, last) of unbroken runs."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame - 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _names(machine_ids: set[int]) -> dict[int, str]:
    return dict(Machine.objects.filter(pk__in=machine_ids).values_list("id", "name"))
