"""What the client tells about itself to display, scripts and log. One frozen value for each happening."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sheepfold.protocol.codes import ErrorKind


class Level(StrEnum):
    """How much a message matters to the owner."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Message:
    """Words for the owner."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session began. `sheepfold`: the farm speaks more than plain SheepIt."""

    device: str
    server: str
    sheepfold: bool
    heartbeat: int  # seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing to render. `seconds` until the next try, None = until something changes."""

    device: str
    reason: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class FarmStats:
    """What the farm says of this machine and itself."""

    credits_session: int
    credits_total: int
    frames_remaining: int
    waiting_projects: int
    connected_machines: int


@dataclass(frozen=True, slots=True)
class Downloading:
    """An archive is on its way, in bytes."""

    device: str
    what: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class FrameStarted:
    """A frame is being rendered."""

    device: str
    project: str
    job: int
    frame: int


@dataclass(frozen=True, slots=True)
class FrameProgress:
    """How far it is; seconds."""

    device: str
    job: int
    frame: int
    fraction: float | None
    elapsed: float
    remaining: float | None
    memory_kib: int


@dataclass(frozen=True, slots=True)
class FrameRendered:
    """The picture is on disk and waits in the outbox. `living`: by a Blender that was already running."""

    device: str
    job: int
    frame: int
    seconds: float
    memory_kib: int
    living: bool
    image: str


@dataclass(frozen=True, slots=True)
class FrameAccepted:
    """The farm has the frame."""

    job: int
    frame: int


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """The farm does not take the frame, and asking again is no use."""

    job: int
    frame: int
    reason: str


@dataclass(frozen=True, slots=True)
class UploadDelayed:
    """The frame could not be handed over; it is safe on disk until the next try."""

    job: int
    frame: int
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FrameFailed:
    """No picture. The farm was told, with the log."""

    device: str
    job: int
    frame: int
    kind: ErrorKind
    reason: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """The client ends: after the frame, or now."""

    now: bool


Event = (
    Message
    | LoggedIn
    | Waiting
    | FarmStats
    | Downloading
    | FrameStarted
    | FrameProgress
    | FrameRendered
    | FrameAccepted
    | FrameRefused
    | UploadDelayed
    | FrameFailed
    | Stopping
)
Listener = Callable[[Event], None]
