"""Query and form parameters to and from the values of `messages.py`.

Decoders forgive what clients of ten years really send and raise `Refused`, with the status to answer, where
a value matters. Encoders give the pairs in the order that clients send them.
"""

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

from sheepfold.protocol import limits
from sheepfold.protocol.codec import decode_cache
from sheepfold.protocol.codes import ArchiveKind, ComputeMethod, ConfigStatus, ErrorKind, Os, OwnerWish, UploadStatus
from sheepfold.protocol.messages import (
    ArchiveRequest,
    ErrorReport,
    FrameUpload,
    Heartbeat,
    SessionRequest,
    WorkRequest,
)
from sheepfold.protocol.wire_rules import integer, is_token

Params: TypeAlias = Mapping[str, str]
Pairs: TypeAlias = list[tuple[str, str]]
_Value = TypeVar("_Value")

HTTP_NOT_FOUND = 404  # the specification's only answer to a download that cannot be served

_SESSION_REQUIRED = (
    "login",
    "password",
    "os",
    "bits",
    "cpu_family",
    "cpu_model",
    "cpu_model_name",
    "cpu_cores",
    "ram",
)
_OPERATING_SYSTEMS = {
    "windows": Os.WINDOWS,
    "mac": Os.MAC,
    "macos": Os.MAC,
    "macm1": Os.MAC,
    "linux": Os.LINUX,
    "freebsd": Os.FREEBSD,
}
_BITS = {"32bit": 32, "64bit": 64}
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


class Refused(Exception):
    """A request that cannot be served. `status`: the protocol's to answer, or 404 for a download."""

    def __init__(self, status: ConfigStatus | UploadStatus | int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


# --- session --------------------------------------------------------------------------------------


def decode_session_request(params: Params) -> SessionRequest:
    """A request for a session. Raises Refused with 100 (no version), 102 (impossible login) or 104."""
    if not params.get("version"):
        raise Refused(ConfigStatus.NO_VERSION, "the parameter 'version' is missing or empty")
    _require_present(params, _SESSION_REQUIRED, ConfigStatus.MISSING_PARAMETER)
    return SessionRequest(
        login=_credential(params, "login", limits.MAX_LOGIN),
        password=_credential(params, "password", limits.MAX_PASSWORD),
        version=_text(params, "version"),
        os=_choice(params, "os", _OPERATING_SYSTEMS),
        os_sent=_text(params, "os"),
        bits=_choice(params, "bits", _BITS),
        cpu_family=_text(params, "cpu_family"),
        cpu_model=_text(params, "cpu_model"),
        cpu_model_name=_text(params, "cpu_model_name"),
        cpu_cores=min(max(_session_number(params, "cpu_cores"), 1), limits.MAX_CORES),
        ram_kib=_kib(_session_number(params, "ram")),
        hostname=_text(params, "hostname"),
        extras=_text(params, "extras"),
        ui=_optional_text(params, "ui"),
        headless=_BOOLEANS.get(params.get("headless", "").lower()),
        os_version=_optional_text(params, "os_version"),
        hwid=_optional_text(params, "hwid"),
        open_tokens=_open_tokens(params),
    )


def encode_session_request(request: SessionRequest) -> Pairs:
    """The form of a session request, `ram` in KiB as every client sends it."""
    pairs = [
        ("login", request.login),
        ("password", request.password),
        ("cpu_family", request.cpu_family),
        ("cpu_model", request.cpu_model),
        ("cpu_model_name", request.cpu_model_name),
        ("cpu_cores", str(request.cpu_cores)),
        ("os", request.os_sent or request.os.value),
        ("ram", str(request.ram_kib)),
        ("bits", f"{request.bits}bit"),
        ("version", request.version),
        ("hostname", request.hostname),
        ("extras", request.extras),
    ]
    headless = None if request.headless is None else int(request.headless)
    return pairs + _given(
        ui=request.ui,
        headless=headless,
        os_version=request.os_version,
        hwid=request.hwid,
        open_leases=_joined(request.open_tokens),
    )


def _session_number(params: Params, name: str) -> int:
    number = integer(params[name])
    if number is None or number < 0:
        raise Refused(ConfigStatus.MISSING_PARAMETER, f"the parameter '{name}' is not a whole number")
    return number


def _choice(params: Params, name: str, choices: Mapping[str, _Value]) -> _Value:
    try:
        return choices[params[name].strip().lower()]
    except KeyError:
        known = ", ".join(choices)
        reason = f"the parameter '{name}' must be one of: {known}"
        raise Refused(ConfigStatus.MISSING_PARAMETER, reason) from None


def _credential(params: Params, name: str, limit: int) -> str:
    """Never cut or cleaned: a changed login would be another person's."""
    value = params[name]
    if len(value) > limit or not value.isprintable():
        raise Refused(ConfigStatus.AUTHENTICATION_FAILED, f"no account can have this {name}")
    return value


# --- work -----------------------------------------------------------------------------------------


def decode_work_request(params: Params, body: bytes = b"") -> WorkRequest:
    """A request for a tile; what is odd counts as not said. Raises BadMessage for XML that is no cache."""
    return WorkRequest(
        compute_method=_compute_method(params),
        cpu_cores=_positive(params, "cpu_cores", limits.MAX_CORES),
        ram_max_kib=_optional_kib(params, "ram_max"),
        rendertime_max=_positive(params, "rendertime_max", limits.MAX_SECONDS),
        gpu_model=_optional_text(params, "gpu_model"),
        gpu_ram=_positive(params, "gpu_ram"),
        gpu_type=_optional_text(params, "gpu_type"),
        network_download=_positive(params, "network_dl"),
        network_upload=_positive(params, "network_up"),
        cached_md5s=decode_cache(body),
        open_tokens=_open_tokens(params),
    )


def encode_work_request(request: WorkRequest) -> Pairs:
    """The query of a job request; the cached archives travel in the body (`codec.encode_cache`)."""
    return _given(
        computemethod=request.compute_method.value,
        cpu_cores=request.cpu_cores,
        ram_max=request.ram_max_kib,
        rendertime_max=request.rendertime_max,
        gpu_model=request.gpu_model,
        gpu_ram=request.gpu_ram,
        gpu_type=request.gpu_type,
        network_dl=request.network_download,
        network_up=request.network_upload,
        open_leases=_joined(request.open_tokens),
    )


def _compute_method(params: Params) -> ComputeMethod:
    number = integer(params.get("computemethod", ""))
    return ComputeMethod(number) if number in set(ComputeMethod) else ComputeMethod.CPU_OR_GPU


def _open_tokens(params: Params) -> tuple[str, ...] | None:
    text = params.get("open_leases")
    if text is None:
        return None
    tokens = (token for token in text.split(",") if token and is_token(token))
    return tuple(dict.fromkeys(tokens))[: limits.MAX_OPEN_TOKENS]


def _joined(tokens: tuple[str, ...] | None) -> str | None:
    return None if tokens is None else ",".join(tokens)


# --- downloads ------------------------------------------------------------------------------------


def decode_archive_request(params: Params) -> ArchiveRequest:
    """Which archive of which job. Raises Refused(404)."""
    kind = params.get("type", "")
    if kind not in set(ArchiveKind):
        raise Refused(HTTP_NOT_FOUND, "the parameter 'type' must be 'binary' or 'job'")
    return ArchiveRequest(ArchiveKind(kind), _job_to_download(params), _count(params, "revision"))


def encode_archive_request(request: ArchiveRequest) -> Pairs:
    """The query of a download."""
    return _given(type=request.kind.value, job=request.job, revision=request.revision)


def decode_binary_request(params: Params) -> ArchiveRequest:
    """`download-binary` of clients of 2024, which is always the renderer. Raises Refused(404)."""
    return ArchiveRequest(ArchiveKind.RENDERER, _job_to_download(params))


def decode_chunk_request(params: Params) -> str:
    """The chunk that `download-chunk` asks for. Raises Refused(404)."""
    chunk = params.get("chunk", "")
    if not chunk or not is_token(chunk):
        raise Refused(HTTP_NOT_FOUND, "the parameter 'chunk' is missing or not a chunk's id")
    return chunk


def _job_to_download(params: Params) -> int:
    job = _job(params)
    if job is None:
        raise Refused(HTTP_NOT_FOUND, "the parameter 'job' is missing or not a job's id")
    return job


# --- frames ---------------------------------------------------------------------------------------


def decode_frame_upload(params: Params) -> FrameUpload:
    """The words around an image. Raises Refused(300) when it cannot be said which lease the image is for."""
    _require_present(params, ("job", "frame", "rendertime", "extras"), UploadStatus.MISSING_PARAMETER)
    return FrameUpload(
        job=_usable("job", _job(params)),
        frame=_usable("frame", _frame(params)),
        extras=_usable("extras", _token(params)),
        rendertime=_render_seconds(params),
        revision=_count(params, "revision"),
        memory_kib=_optional_kib(params, "memoryused"),
        cores=_positive(params, "cores", limits.MAX_CORES),
    )


def _usable(name: str, value: _Value | None) -> _Value:
    if value is None:
        raise Refused(UploadStatus.MISSING_PARAMETER, f"the parameter '{name}' is not usable")
    return value


def encode_frame_upload(upload: FrameUpload) -> Pairs:
    """The query of `validate-job`."""
    pairs = _given(job=upload.job, frame=f"{upload.frame:04d}", rendertime=_seconds(upload.rendertime))
    return pairs + _given(
        revision=upload.revision, memoryused=upload.memory_kib, extras=upload.extras, cores=upload.cores
    )


def encode_upload_measures(upload: FrameUpload) -> Pairs:
    """What is appended to a `validation_url`, which names the lease already."""
    return [("rendertime", _seconds(upload.rendertime)), ("memoryused", str(upload.memory_kib or 0))]


def _seconds(value: float) -> str:
    """Without an exponent, and without a fraction where there is none: other clients send whole seconds."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _render_seconds(params: Params) -> float:
    """-1 when the client does not know it: newer ones say so, and one of 2017 sends no number at all."""
    try:
        seconds = float(params["rendertime"])
    except ValueError:
        return -1.0
    return seconds if 0 <= seconds <= limits.MAX_SECONDS else -1.0


# --- heartbeats and error reports -----------------------------------------------------------------


def decode_heartbeat(params: Params) -> Heartbeat:
    """A sign of life. Never refused; what is odd counts as not said."""
    return Heartbeat(
        job=_job(params),
        frame=_frame(params),
        extras=_token(params) or None,
        rendertime=_count(params, "rendertime", limits.MAX_SECONDS),
        remainingtime=_count(params, "remainingtime", limits.MAX_SECONDS),
        paused=_BOOLEANS.get(params.get("paused", "").lower()),
        wish=OwnerWish(word) if (word := params.get("wish")) in set(OwnerWish) else None,
    )


def encode_heartbeat(beat: Heartbeat) -> Pairs:
    """The query of `keepmealive`."""
    paused = None if beat.paused is None else str(beat.paused).lower()
    frame = None if beat.frame is None else f"{beat.frame:04d}"
    return _given(
        paused=paused,
        frame=frame,
        job=beat.job,
        extras=beat.extras,
        rendertime=beat.rendertime,
        remainingtime=beat.remainingtime,
        wish=beat.wish,
    )


def decode_error_report(params: Params) -> ErrorReport:
    """What went wrong. Never refused. No `type` is GENERIC, a number without a name stays a number."""
    seconds = "render_time" if "render_time" in params else "rendertime"
    return ErrorReport(
        kind=_error_kind(params),
        job=_job(params),
        frame=_frame(params),
        extras=_token(params) or None,
        rendertime=_count(params, seconds, limits.MAX_SECONDS),
        memory_kib=_optional_kib(params, "memoryused"),
    )


def encode_error_report(report: ErrorReport) -> Pairs:
    """The query of `error`, with the time under both names: the specification's and the clients'."""
    kind = "" if report.kind == ErrorKind.GENERIC else int(report.kind)
    frame = None if report.frame is None else f"{report.frame:04d}"
    return _given(
        type=kind,
        frame=frame,
        job=report.job,
        render_time=report.rendertime,
        rendertime=report.rendertime,
        memoryused=report.memory_kib,
        extras=report.extras,
    )


def _error_kind(params: Params) -> ErrorKind | int:
    number = integer(params.get("type", ""))
    if number is None or not 0 <= number <= limits.MAX_INT32:
        return ErrorKind.GENERIC
    return ErrorKind(number) if number in set(ErrorKind) else number


# --- helpers --------------------------------------------------------------------------------------


def _require_present(params: Params, names: tuple[str, ...], status: ConfigStatus | UploadStatus) -> None:
    missing = [name for name in names if name not in params]
    if missing:
        raise Refused(status, f"missing parameters: {', '.join(missing)}")


def _given(**values: str | int | None) -> Pairs:
    return [(name, str(value)) for name, value in values.items() if value is not None]


def _text(params: Params, name: str) -> str:
    """A text for people: without control characters, cut to what is stored."""
    return "".join(filter(str.isprintable, params.get(name, "")))[: limits.MAX_TEXT]


def _optional_text(params: Params, name: str) -> str | None:
    return _text(params, name) or None


def _token(params: Params) -> str | None:
    token = params.get("extras", "")
    return token if is_token(token) else None


def _count(params: Params, name: str, highest: int = limits.MAX_INT32) -> int | None:
    """A number from 0, or None. Fractions are dropped: some clients send seconds with a decimal point."""
    number = integer(params.get(name, "").partition(".")[0])
    return number if number is not None and 0 <= number <= highest else None


def _positive(params: Params, name: str, highest: int = 2**63 - 1) -> int | None:
    return _count(params, name, highest) or None


def _job(params: Params) -> int | None:
    """0 is what a client of 2017 says when it has no job."""
    return _positive(params, "job", limits.MAX_INT32)


def _frame(params: Params) -> int | None:
    return _count(params, "frame", limits.MAX_FRAME)


def _optional_kib(params: Params, name: str) -> int | None:
    """Unknown memory travels as -1 or 0, or not at all."""
    number = _positive(params, name)
    return None if number is None else _kib(number)


def _kib(number: int) -> int:
    return number // 1024 if number >= limits.RAM_READ_AS_BYTES_FROM else number
