"""What is known of a scene without running Blender. Pure values; JSON in and out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    """Whether a scene can be rendered in spite of it."""

    REFUSE = "refuse"
    WARN = "warn"


class ProblemKind(StrEnum):
    """What is wrong, for programs."""

    NO_CAMERA = "no-camera"
    NO_FRAMES = "no-frames"
    SIZE = "size"
    ENGINE = "engine"
    MOVIE = "movie"
    MISSING_FILE = "missing-file"
    ABSOLUTE_PATH = "absolute-path"
    FILE_OUTPUT = "file-output"
    SCRIPT = "script"
    DRIVER = "driver"
    STEREO = "stereo"
    UNBAKED = "unbaked"
    SEVERAL_SCENES = "several-scenes"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the owner should know, in the owner's words."""

    kind: ProblemKind
    severity: Severity
    text: str


class FileKind(StrEnum):
    """What a scene uses a file as."""

    IMAGE = "image"
    LIBRARY = "library"
    CACHE = "cache"
    FONT = "font"
    SOUND = "sound"
    CLIP = "clip"
    VOLUME = "volume"
    OTHER = "file"


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file that the scene needs: its path as the scene has it, and what uses it.

    `place`: the path inside the upload; empty if the path is absolute or leads out of the upload.
    """

    kind: FileKind
    path: str
    user: str
    place: str
    sequence: bool = False


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of the image that is rendered, 0 to 1 from the lower left corner."""

    left: float
    right: float
    bottom: float
    top: float


def size_at(width: int, height: int, percentage: int, crop: Crop | None) -> tuple[int, int]:
    """Width and height in pixels of the image that Blender writes. Rounded as Blender rounds."""
    width, height = width * percentage // 100, height * percentage // 100
    if crop is None:
        return width, height
    across = int(crop.right * width) - int(crop.left * width)
    upward = int(crop.top * height) - int(crop.bottom * height)
    return across, upward


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """The active scene of a file. `width`, `height`: pixels at 100 %. None: the bytes do not tell.

    `version`: of the Blender that saved it, e.g. `4.2`. `camera`: its name, or empty. `color_mode`: BW, RGB or RGBA.
    `writes_files`: through File Output nodes. `size`: bytes of the .blend, decompressed.
    """

    version: str
    scene: str
    scenes: tuple[str, ...]
    frame_start: int
    frame_end: int
    frame_step: int
    fps: float
    width: int
    height: int
    percentage: int
    crop: Crop | None
    engine: str
    samples: int | None
    file_format: str
    color_mode: str
    camera: str
    uses_gpu: bool
    stereo: bool
    writes_files: bool
    scripts: tuple[str, ...]
    drivers: tuple[str, ...]
    unbaked: tuple[str, ...]
    size: int
    files: tuple[ExternalFile, ...] = field(default=())

    def size_at(self, percentage: int) -> tuple[int, int]:
        """Width and height in pixels of the image that Blender writes."""
        return size_at(self.width, self.height, percentage, self.crop)

    @property
    def frames(self) -> str:
        """Its frames as people write them."""
        step = f"x{self.frame_step}" if self.frame_step > 1 else ""
        return f"{self.frame_start}-{self.frame_end}{step}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        values = {one.name: data[one.name] for one in fields(cls)}
        values["files"] = tuple(
            ExternalFile(FileKind(one["kind"]), one["path"], one["user"], one["place"], one["sequence"])
            for one in data["files"]
        )
        values["crop"] = None if data["crop"] is None else Crop(**data["crop"])
        for name in ("scenes", "scripts", "drivers", "unbaked"):
            values[name] = tuple(data[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of looking into a scene."""

    facts: SceneFacts
    problems: tuple[Problem, ...]

    @property
    def refusal(self) -> str:
        """Why it cannot be rendered, or empty."""
        return "; ".join(one.text for one in self.problems if one.severity is Severity.REFUSE)
