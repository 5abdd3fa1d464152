"""What an owner may change about a project, and when."""

from dataclasses import dataclass, fields
from typing import Any

from sheepfold.server.core.errors import BadInput
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.frame_ranges import format_frames, parse_frames
from sheepfold.server.projects.models import FrameOrder, ProjectStatus, Visibility

KIB_PER_GIB = 1 << 20
DAY_MINUTES = 24 * 60

# What shapes the frames themselves: once some are rendered, the others must look alike.
FIXED_AT_START = frozenset({"frames", "order", "percentage", "samples", "output_format", "renderer_id"})
BEFORE_START = frozenset({ProjectStatus.READY})
AFTER_START = frozenset(
    {ProjectStatus.RENDERING, ProjectStatus.PAUSED, ProjectStatus.FINISHED, ProjectStatus.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """New settings; None leaves one as it is. `samples` 0: as the scene says. `group_id` 0: no group."""

    name: str | None = None
    frames: str | None = None
    order: FrameOrder | None = None
    percentage: int | None = None
    samples: int | None = None
    output_format: OutputFormat | None = None
    fps: float | None = None
    use_gpu: bool | None = None
    use_cpu: bool | None = None
    min_ram_kib: int | None = None
    min_power: int | None = None
    max_minutes_per_frame: int | None = None  # 0: no limit
    visibility: Visibility | None = None
    priority: int | None = None
    group_id: int | None = None
    renderer_id: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The lowest and the highest allowed value, and its unit for messages."""

    low: float
    high: float
    unit: str = ""


BOUNDS = {
    "percentage": Bounds(1, 400, " %"),
    "samples": Bounds(0, 1_000_000),
    "fps": Bounds(0.01, 1000, " frames a second"),
    "min_ram_kib": Bounds(0, 4096 * KIB_PER_GIB, " KiB"),
    "min_power": Bounds(0, 10_000, " %"),
    "max_minutes_per_frame": Bounds(0, 31 * DAY_MINUTES, " minutes"),
    "priority": Bounds(0, 100),
}


def changed_values(change: SettingsChange) -> dict[str, Any]:
    """Columns and their new values, checked. Raises BadInput naming the setting and what it may be."""
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    values = {name: value for name, value in values.items() if value is not None}
    for name in BOUNDS.keys() & values.keys():
        _check_bounds(name, values[name])
    if "name" in values:
        values["name"] = _checked_name(values["name"])
    if "frames" in values:
        values["frames"] = format_frames(parse_frames(values["frames"]))
    for name in ("samples", "group_id"):
        if values.get(name) == 0:
            values[name] = None
    return values


def allowed_in(values: dict[str, Any]) -> frozenset[ProjectStatus]:
    """The statuses in which all of these may be changed."""
    return BEFORE_START if FIXED_AT_START & values.keys() else BEFORE_START | AFTER_START


def _check_bounds(name: str, value: float) -> None:
    bounds = BOUNDS[name]
    if not bounds.low <= value <= bounds.high:  # also refuses NaN
        raise BadInput(f"{name}: {value:g} is not between {bounds.low:g} and {bounds.high:g}{bounds.unit}")


def _checked_name(name: str) -> str:
    clean = " ".join(name.split())
    if not clean or len(clean) > 100 or not clean.isprintable():
        raise BadInput("name: write 1 to 100 visible signs")
    return clean
