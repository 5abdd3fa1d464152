"""What a device is asked to render and what comes of it: the words between worker and renderer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Lock

from sheepfold.protocol.codes import ErrorKind


class DeviceKind(StrEnum):
    """What computes."""

    CPU = "CPU"
    GPU = "GPU"


@dataclass(frozen=True, slots=True)
class Device:
    """One thing that can render, in the words of `sheepit_set_compute_device(compute_type, kind, id)`."""

    kind: DeviceKind = DeviceKind.CPU
    compute_type: str = "NONE"
    id: str = "CPU"
    name: str = "CPU"
    memory: int | None = None  # bytes, GPUs only


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """What one frame may use. `None` = no limit."""

    cores: int | None = None
    memory_kib: int | None = None  # of the whole process tree
    seconds: int | None = None
    silent_seconds: int = 900  # neither output nor CPU use for this long = hung
    priority: int = 19  # as `nice` counts: 19 is the most polite


@dataclass(frozen=True, slots=True)
class RenderTask:
    """One frame of one job whose archives lie unpacked on this machine.

    `scene` is relative to `scene_dir`. `home` belongs to all frames of one scene, renderer, script and device and
    is the only place where Blender may write; `work_dir` is this frame's folder inside it.
    """

    job: int
    frame: int
    renderer_dir: Path
    scene_dir: Path
    scene: str
    home: Path
    work_dir: Path
    commandline: str
    script: str
    device: Device = field(default_factory=Device)
    limits: RenderLimits = field(default_factory=RenderLimits)

    @property
    def frame_text(self) -> str:
        """Blender pads to four digits, so the file that it writes has this in its name."""
        return f"{self.frame:04d}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a frame is. `fraction` from 0 to 1, seconds since its start, highest memory of the tree."""

    fraction: float | None
    elapsed: float
    remaining: float | None
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished frame on disk. `living`: the Blender that made it had already been running."""

    image: Path
    seconds: float
    peak_kib: int
    log: str
    living: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderFailed:
    """No frame. `log` is what Blender said, for the error report."""

    kind: ErrorKind
    message: str
    seconds: float
    peak_kib: int
    log: str


RenderOutcome = Rendered | RenderFailed
ProgressListener = Callable[[Progress], None]


class StopFlag:
    """Set once, from any thread, with the reason; the renderer then kills its process tree."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kind: ErrorKind | None = None

    def set(self, kind: ErrorKind) -> None:
        """Ask for the end. The first reason stays."""
        with self._lock:
            if self._kind is None:
                self._kind = kind

    @property
    def kind(self) -> ErrorKind | None:
        return self._kind
