"""Every number that travels on the wire, by name. `docs/protocol.md` says what each side does next."""

from enum import IntEnum, StrEnum


class ConfigStatus(IntEnum):
    """Answers to a session request."""

    OK = 0
    NO_VERSION = 100
    CLIENT_TOO_OLD = 101
    AUTHENTICATION_FAILED = 102
    WEB_SESSION_EXPIRED = 103
    MISSING_PARAMETER = 104


class WorkStatus(IntEnum):
    """Answers to a job request."""

    OK = 0
    NO_JOB = 200
    NO_RENDERING_RIGHT = 201
    SESSION_DEAD = 202
    SESSION_DISABLED = 203
    INTERNAL_ERROR = 204
    NO_RENDERER = 205
    MAINTENANCE = 206
    OVERLOADED = 207
    DENOISING_UNSUPPORTED = 208


class UploadStatus(IntEnum):
    """Answers to an uploaded frame."""

    OK = 0
    MISSING_PARAMETER = 300
    BROKEN_MACHINE = 301
    NOT_AN_IMAGE = 302
    UPLOAD_FAILED = 303
    SESSION_DISABLED = 304
    TOO_LARGE = 306
    WRONG_DIMENSION = 308


class HeartbeatStatus(IntEnum):
    """Answers to a heartbeat."""

    OK = 0
    STOP = 400


class OwnerWish(StrEnum):
    """What a machine's owner asked for on the farm's site. Only Sheepfold's client is told."""

    RUN = "run"
    PAUSE = "pause"
    STOP_AFTER_FRAME = "stop-after-frame"
    STOP_NOW = "stop-now"


class ErrorKind(IntEnum):
    """`type` of an error report. GENERIC stands for the empty `type=` that old clients send."""

    GENERIC = -1
    OK = 0
    WRONG_CONFIGURATION = 1
    AUTHENTICATION = 2
    TOO_OLD = 3
    SESSION_DISABLED = 4
    RENDERER_NOT_AVAILABLE = 5
    RENDERER_MISSING = 6
    SCENE_MISSING = 7
    NO_OUTPUT_FILE = 8
    DOWNLOAD_FAILED = 9
    UNPACK_FAILED = 10
    NETWORK = 11
    RENDERER_CRASHED = 12
    OUT_OF_VIDEO_MEMORY = 13
    KILLED = 14
    MISSING_LIBRARIES = 15
    EXECUTE_FAILED = 16
    OS_UNSUPPORTED = 17
    CPU_UNSUPPORTED = 18
    GPU_UNSUPPORTED = 19
    BLOCKED_BY_USER = 20
    OUT_OF_MEMORY = 21
    KILLED_BY_SERVER = 22
    TIME_LIMIT = 23
    PYTHON_ERROR = 24
    VALIDATION_FAILED = 25
    IMAGE_TOO_LARGE = 26
    ENGINE_UNAVAILABLE = 27
    HEADLESS = 28
    DENOISING_UNSUPPORTED = 29
    UNKNOWN = 99
    NO_DISK_SPACE = 100
    BAD_UPLOAD_RESPONSE = 101
    INVALID_PATH = 102
    NO_WRITE_PERMISSION = 103
    SERVER_DOWN = 104
    BAD_SERVER_RESPONSE = 105


class ComputeMethod(IntEnum):
    """`computemethod` of a job request."""

    CPU_OR_GPU = 0
    CPU = 1
    GPU = 2


class Os(StrEnum):
    """Operating systems, as the field says them; `params.py` maps what clients send."""

    WINDOWS = "windows"
    MAC = "mac"
    LINUX = "linux"
    FREEBSD = "freebsd"


class EndpointKind(StrEnum):
    """`type` of a `request` element in the session answer."""

    VALIDATE_JOB = "validate-job"
    REQUEST_JOB = "request-job"
    DOWNLOAD_ARCHIVE = "download-archive"
    DOWNLOAD_BINARY = "download-binary"
    DOWNLOAD_CHUNK = "download-chunk"
    ERROR = "error"
    KEEP_ALIVE = "keepmealive"
    LOGOUT = "logout"
    SPEEDTEST_ANSWER = "speedtest-answer"
    LAST_RENDER_FRAME = "last-render-frame"
    CREDITS_EARNED = "credits-earned"


class ArchiveKind(StrEnum):
    """`type` of an archive download."""

    RENDERER = "binary"
    SCENE = "job"
