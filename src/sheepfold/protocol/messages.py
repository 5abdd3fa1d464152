"""What travels between a machine and the farm, as frozen values. `codec.py`, `params.py` make bytes of them.

Units: memory in KiB, time in whole seconds, unless a field says otherwise. `None` means "not sent".
"""

from dataclasses import dataclass, field

from sheepfold.protocol.codes import (
    ArchiveKind,
    ComputeMethod,
    ConfigStatus,
    EndpointKind,
    ErrorKind,
    HeartbeatStatus,
    Os,
    OwnerWish,
    UploadStatus,
    WorkStatus,
)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A machine asks for a session. `password` is the user's password or a render key."""

    login: str
    password: str = field(repr=False)
    version: str
    os: Os
    bits: int
    cpu_family: str
    cpu_model: str
    cpu_model_name: str
    cpu_cores: int
    ram_kib: int
    hostname: str = ""
    extras: str = ""
    os_sent: str = ""  # the word on the wire where it says more than `os`: "macm1" is a Mac with Apple silicon
    ui: str | None = None
    headless: bool | None = None
    os_version: str | None = None
    hwid: str | None = None
    open_tokens: tuple[str, ...] | None = None  # leases whose frames the machine still has; only Sheepfold's client


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a kind of request goes. `max_period`: the longest silence the farm wishes for, in seconds."""

    kind: EndpointKind
    path: str
    max_period: int | None = None


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """The farm's answer to a session request. `extras` carries what only Sheepfold's own client reads."""

    status: ConfigStatus | int
    publickey: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    speedtest_urls: tuple[str, ...] = ()
    extras: str | None = None


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """A session asks for a tile. `cached_md5s` names the archives that the machine still has.

    `open_tokens`: the leases the machine knows it holds; only Sheepfold's client says so, `None` = not said.
    """

    compute_method: ComputeMethod = ComputeMethod.CPU_OR_GPU
    cpu_cores: int | None = None
    ram_max_kib: int | None = None
    rendertime_max: int | None = None
    gpu_model: str | None = None
    gpu_ram: int | None = None  # bytes
    gpu_type: str | None = None
    network_download: int | None = None  # bytes a second
    network_upload: int | None = None  # bytes a second
    cached_md5s: tuple[str, ...] = ()
    open_tokens: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What the farm tells the machine's owner with each job."""

    credits_session: int = 0
    credits_total: int = 0
    frame_remaining: int = 0
    waiting_project: int = 0
    connected_machine: int = 0
    renderable_project: int = 0


@dataclass(frozen=True, slots=True)
class RendererInfo:
    """The renderer archive of a job and how it is started."""

    md5: str
    commandline: str
    update_method: str = "remainingtime"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a scene archive, for clients that fetch it in pieces."""

    id: str
    md5: str


@dataclass(frozen=True, slots=True)
class Job:
    """One tile to render. `frame` is written with four digits; `extras` is the lease token."""

    id: int
    frame: int
    path: str
    archive_md5: str
    renderer: RendererInfo
    script: str
    extras: str = ""
    use_gpu: bool = False
    revision: int = 0
    name: str = ""
    password: str = field(default="", repr=False)
    synchronous_upload: bool = True
    validation_url: str = ""
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkAnswer:
    """The farm's answer to a job request. `delete_md5s`: archives that the machine need not keep.

    `wait_seconds`: when to ask again after "no job". `wish`: what the machine's owner wants. Only Sheepfold's
    client reads these two.
    """

    status: WorkStatus | int
    job: Job | None = None
    stats: Stats | None = None
    delete_md5s: tuple[str, ...] = ()
    wait_seconds: int | None = None
    wish: OwnerWish | None = None


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A machine fetches the renderer or the scene of a job. Only clients to 2016-10 send `revision`."""

    kind: ArchiveKind
    job: int
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class FrameUpload:
    """The words around an uploaded image. `rendertime` in seconds, -1 when the client does not know it."""

    job: int
    frame: int
    extras: str
    rendertime: float
    revision: int | None = None
    memory_kib: int | None = None
    cores: int | None = None


@dataclass(frozen=True, slots=True)
class UploadAnswer:
    """The farm's verdict on an uploaded image."""

    status: UploadStatus | int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life, with or without a tile. `wish`: what Sheepfold's client obeys now, of itself or by the site."""

    job: int | None = None
    frame: int | None = None
    extras: str | None = None
    rendertime: int | None = None
    remainingtime: int | None = None
    paused: bool | None = None
    wish: OwnerWish | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """Go on, or stop this tile. `wait_seconds`: when to beat again; Sheepfold's client reads it and `wish`."""

    status: HeartbeatStatus | int
    wish: OwnerWish | None = None
    wait_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Something went wrong on the machine. The log travels beside it as a file."""

    kind: ErrorKind | int
    job: int | None = None
    frame: int | None = None
    extras: str | None = None
    rendertime: int | None = None
    memory_kib: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The farm has the report. No client acts on it."""

    status: int = 0


@dataclass(frozen=True, slots=True)
class SpeedtestResult:
    """How fast one target of the speed test answered. `speed` in bytes a second, `ping` in milliseconds."""

    target: str
    speed: int
    ping: int
