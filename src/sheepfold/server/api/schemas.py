"""What the JSON interface takes and gives. The OpenAPI document is made from these."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Failure:
    """Why a request was refused: what is wrong and what to do."""

    error: str


@dataclass(frozen=True)
class Person:
    """Who the token belongs to. `points` as on the site, with three decimals."""

    username: str
    admin: bool
    points: float


@dataclass(frozen=True)
class Progress:
    """How many frames (or parts of frames) are in which state, and seconds until the last, if that is known."""

    waiting: int
    rendering: int
    done: int
    failed: int
    cancelled: int
    seconds_left: float | None


@dataclass(frozen=True)
class ProjectSettings:
    """What its owner decides before it starts. `samples` null: as the scene says; `percentage` of the scene's size."""

    name: str
    frames: str
    order: str
    renderer: str | None
    percentage: int
    samples: int | None
    output_format: str
    use_gpu: bool
    use_cpu: bool
    priority: int


@dataclass(frozen=True)
class Project:
    """A project and how far it is. `reason` says why it is rejected, blocked or paused."""

    id: int
    owner: str
    status: str
    reason: str
    problems: list[dict[str, Any]]
    settings: ProjectSettings
    width: int
    height: int
    fps: float
    progress: Progress
    video: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Frame:
    """A frame, or a part of one. `failures`: different machines that failed it."""

    frame: int
    part: int
    status: str
    failures: int
    seconds: float | None
    machine: str | None


@dataclass(frozen=True)
class Result:
    """An accepted image: seconds of render time, size in bytes, and the name to save it under.

    `result` grows with time, so that asking for those after the last known one tells what is new.
    """

    result: int
    frame: int
    part: int
    seconds: float
    machine: str
    size: int
    file: str


@dataclass(frozen=True)
class FrameList:
    """Which frames, e.g. `1-24,30`."""

    frames: str


@dataclass(frozen=True)
class Count:
    """How many tiles it concerned."""

    tiles: int


@dataclass(frozen=True)
class Done:
    """It happened."""

    done: bool = True


@dataclass(frozen=True)
class RendererArchive:
    """A renderer's archive for one platform. `local_only`: of use on the machine it was made on only."""

    os: str
    bits: int
    size: int
    source: str
    local_only: bool


@dataclass(frozen=True)
class Renderer:
    """One Blender version."""

    id: int
    version: str
    default: bool
    archives: list[RendererArchive]


@dataclass(frozen=True)
class Machine:
    """A machine of the token's owner. Memory in KiB. `stop`: stop-after-frame, stop-now, stopped, or empty."""

    id: int
    name: str
    os: str
    cpu: str
    cores: int
    ram_kib: int
    client: str
    connected: bool
    paused: bool
    stop: str
    disabled_reason: str
    seen_at: datetime | None


@dataclass(frozen=True)
class NewUser:
    """A person to add."""

    username: str
    password: str
    email: str = ""
    admin: bool = False


@dataclass(frozen=True)
class NewSecret:
    """The name of a render key or a token to add. `user`: for somebody else, which admins may."""

    name: str
    user: str | None = None


@dataclass(frozen=True)
class Secret:
    """A new render key or token, shown this once."""

    name: str
    user: str
    secret: str


@dataclass(frozen=True)
class NewUpload:
    """A file that is about to come, in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Upload:
    """How many bytes of a file have come; its project is made with it. `done`: the project has them."""

    id: str
    project: int
    received: int
    size: int
    done: bool
