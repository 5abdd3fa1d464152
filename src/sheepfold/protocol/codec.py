"""XML answers and bodies to and from the values of `messages.py`. The only module that knows the XML.

Encoders raise ValueError for an answer that some client of the last ten years would choke on: sending it
is a mistake of ours. Decoders raise BadMessage, and otherwise fill what a plain SheepIt server leaves out
with defaults.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar
from urllib.parse import quote, unquote_plus

from lxml import etree

from sheepfold.protocol import limits, wire_rules
from sheepfold.protocol.codes import (
    ConfigStatus,
    EndpointKind,
    HeartbeatStatus,
    OwnerWish,
    UploadStatus,
    WorkStatus,
)
from sheepfold.protocol.messages import (
    Chunk,
    Endpoint,
    ErrorAnswer,
    HeartbeatAnswer,
    Job,
    RendererInfo,
    SessionAnswer,
    SpeedtestResult,
    Stats,
    UploadAnswer,
    WorkAnswer,
)
from sheepfold.protocol.safe_xml import BadMessage, parse

__all__ = [
    "CONTENT_TYPE",
    "BadMessage",
    "decode_cache",
    "decode_error_answer",
    "decode_heartbeat_answer",
    "decode_session_answer",
    "decode_speedtest",
    "decode_upload_answer",
    "decode_work_answer",
    "encode_cache",
    "encode_error_answer",
    "encode_heartbeat_answer",
    "encode_session_answer",
    "encode_speedtest",
    "encode_upload_answer",
    "encode_work_answer",
    "is_xml",
]

CONTENT_TYPE = "text/xml; charset=utf-8"  # "application/xml" is refused by every Java client

_Code = TypeVar("_Code", bound=IntEnum)
_STATS_FIELDS = tuple(Stats.__dataclass_fields__)


# --- session --------------------------------------------------------------------------------------


def encode_session_answer(answer: SessionAnswer) -> bytes:
    """The `config` document. Raises ValueError for a success that some client could not use."""
    wire_rules.check_session_answer(answer)
    root = _root("config", answer.status)
    _set_optional(root, "publickey", answer.publickey)
    _set_optional(root, "extras", answer.extras)
    for endpoint in answer.endpoints:
        element = etree.SubElement(root, "request", type=endpoint.kind.value, path=endpoint.path)
        _set_optional(element, "max-period", endpoint.max_period)
    if answer.speedtest_urls:
        speedtest = etree.SubElement(root, "speedtest")
        for url in answer.speedtest_urls:
            etree.SubElement(speedtest, "target", url=url)
    return _serialise(root)


def decode_session_answer(data: bytes) -> SessionAnswer:
    """The `config` document of any SheepIt server. Endpoints of unknown kinds are skipped."""
    root = parse(data, "config")
    endpoints = (_endpoint(element) for element in root.iterfind("request"))
    return SessionAnswer(
        status=_status(root, ConfigStatus),
        publickey=_get(root, "publickey"),
        endpoints=tuple(endpoint for endpoint in endpoints if endpoint is not None),
        speedtest_urls=tuple(url for target in root.iterfind("speedtest/target") if (url := _get(target, "url"))),
        extras=_get(root, "extras"),
    )


def _endpoint(element: etree._Element) -> Endpoint | None:
    path, kind = _get(element, "path"), _get(element, "type")
    if path is None or kind not in set(EndpointKind):
        return None
    return Endpoint(EndpointKind(kind), path, _optional_int(element, "max-period"))


# --- work -----------------------------------------------------------------------------------------


def encode_work_answer(answer: WorkAnswer) -> bytes:
    """The `jobrequest` document, complete for every generation of clients.

    Raises ValueError as `wire_rules.check_work_answer` says.
    """
    if answer == _NO_JOB:
        return _NO_JOB_BYTES
    wire_rules.check_work_answer(answer)
    root = _root("jobrequest", answer.status)
    _set_optional(root, "wait", answer.wait_seconds)
    _set_optional(root, "wish", answer.wish)
    if answer.stats is not None:
        _add_stats(root, answer.stats)
    for md5 in answer.delete_md5s:
        etree.SubElement(root, "file", md5=md5, action="delete")
    if answer.job is not None:
        _add_job(root, answer.job)
    return _serialise(root)


def _add_stats(root: etree._Element, stats: Stats) -> None:
    """Both forms: clients to 2016-10 read `frames`, later ones `stats`. Clamped, as Java reads 32 bits."""
    values = {name: str(min(max(getattr(stats, name), 0), limits.MAX_INT32)) for name in _STATS_FIELDS}
    etree.SubElement(root, "frames", remaining=values["frame_remaining"])
    etree.SubElement(root, "stats", values)


def _add_job(root: etree._Element, job: Job) -> None:
    element = etree.SubElement(
        root,
        "job",
        {
            "id": str(job.id),
            "use_gpu": _flag(job.use_gpu),
            "archive_md5": job.archive_md5,
            "revision": str(job.revision),
            "path": job.path,
            "frame": f"{job.frame:04d}",
            "synchronous_upload": _flag(job.synchronous_upload),
            "extras": job.extras,
            "name": _clean(job.name)[: limits.MAX_JOB_NAME],
            "password": job.password,
            "validation_url": quote(job.validation_url, safe=""),
        },
    )
    _add_renderer(element, job.renderer)
    if job.chunks:
        chunks = etree.SubElement(element, "chunks")
        for chunk in job.chunks:
            etree.SubElement(chunks, "chunk", id=chunk.id, md5=chunk.md5)
    etree.SubElement(element, "script").text = job.script


def _add_renderer(job: etree._Element, renderer: RendererInfo) -> None:
    attributes = {
        "md5": renderer.md5,
        "commandline": renderer.commandline,
        "update_method": renderer.update_method,
    }
    etree.SubElement(job, "renderer", attributes)


def decode_work_answer(data: bytes) -> WorkAnswer:
    """The `jobrequest` document of any SheepIt server. A success without a usable job is a BadMessage."""
    root = parse(data, "jobrequest")
    status = _status(root, WorkStatus)
    element = root.find("job")
    if status == WorkStatus.OK and element is None:
        raise BadMessage("the farm promised a job but sent none")
    return WorkAnswer(
        status=status,
        job=_job(element) if status == WorkStatus.OK and element is not None else None,
        stats=_stats(root),
        delete_md5s=tuple(_deletions(root.iterfind("file"))),
        wait_seconds=_optional_int(root, "wait"),
        wish=_wish(root),
    )


def _deletions(files: Iterable[etree._Element]) -> Iterable[str]:
    for element in files:
        md5 = (_get(element, "md5") or "").lower()
        if _get(element, "action") == "delete" and wire_rules.is_md5(md5):
            yield md5


def _stats(root: etree._Element) -> Stats | None:
    element = root.find("stats")
    if element is not None:
        return Stats(**{name: _optional_int(element, name) or 0 for name in _STATS_FIELDS})
    frames = root.find("frames")
    return None if frames is None else Stats(frame_remaining=_optional_int(frames, "remaining") or 0)


def _job(element: etree._Element) -> Job:
    renderer = element.find("renderer")
    if renderer is None:
        raise BadMessage("the job has no 'renderer' element")
    return Job(
        id=_required_int(element, "id"),
        frame=_required_int(element, "frame"),
        path=_required(element, "path"),
        archive_md5=_required_md5(element, "archive_md5"),
        renderer=_renderer(renderer),
        script=element.findtext("script") or "",
        extras=_get(element, "extras") or "",
        use_gpu=_get(element, "use_gpu") in ("1", "true"),
        revision=_optional_int(element, "revision") or 0,
        name=_get(element, "name") or "",
        password=_get(element, "password") or "",
        synchronous_upload=_get(element, "synchronous_upload") in (None, "1"),
        validation_url=unquote_plus(_get(element, "validation_url") or ""),
        chunks=tuple(_chunk(chunk) for chunk in element.iterfind("chunks/chunk")),
    )


def _renderer(element: etree._Element) -> RendererInfo:
    return RendererInfo(
        md5=_required_md5(element, "md5"),
        commandline=_required(element, "commandline"),
        update_method=_get(element, "update_method") or "remainingtime",
    )


def _chunk(element: etree._Element) -> Chunk:
    return Chunk(_required(element, "id"), _required_md5(element, "md5"))


# --- the body of a job request --------------------------------------------------------------------


def is_xml(body: bytes) -> bool:
    """Whether a body is XML. The content type does not tell: clients to 2020-05 label it as a form."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def encode_cache(md5s: Iterable[str]) -> bytes:
    """The list of archives that the machine still has."""
    root = etree.Element("cache")
    for md5 in md5s:
        etree.SubElement(root, "file", md5=md5)
    return _serialise(root)


def decode_cache(body: bytes) -> tuple[str, ...]:
    """The md5s of a `cache` body, each once. What is no md5 is skipped; no body is no archive.

    Raises BadMessage.
    """
    if not is_xml(body):
        return ()
    md5s = ((_get(element, "md5") or "").lower() for element in parse(body, "cache").iterfind("file"))
    known = tuple(dict.fromkeys(md5 for md5 in md5s if wire_rules.is_md5(md5)))
    if len(known) > limits.MAX_CACHED_MD5S:
        raise BadMessage(f"{len(known)} cached archives, more than the {limits.MAX_CACHED_MD5S} allowed")
    return known


# --- short answers --------------------------------------------------------------------------------


def encode_upload_answer(answer: UploadAnswer) -> bytes:
    """The `jobvalidate` document."""
    return _short("jobvalidate", answer.status)


def decode_upload_answer(data: bytes) -> UploadAnswer:
    """The verdict on a frame; a number without a name stays a number."""
    return UploadAnswer(_status(parse(data, "jobvalidate"), UploadStatus))


def encode_heartbeat_answer(answer: HeartbeatAnswer) -> bytes:
    """The `keepmealive` document."""
    root = _root("keepmealive", answer.status)
    _set_optional(root, "wait", answer.wait_seconds)
    _set_optional(root, "wish", answer.wish)
    return _serialise(root)


def decode_heartbeat_answer(data: bytes) -> HeartbeatAnswer:
    """Go on or stop; a number without a name stays a number."""
    root = parse(data, "keepmealive")
    return HeartbeatAnswer(_status(root, HeartbeatStatus), _wish(root), _optional_int(root, "wait"))


def encode_error_answer(answer: ErrorAnswer) -> bytes:
    """The `error` document."""
    return _short("error", answer.status)


def decode_error_answer(data: bytes) -> ErrorAnswer:
    """Whether the farm has the report."""
    return ErrorAnswer(_required_int(parse(data, "error"), "status"))


# --- speed test -----------------------------------------------------------------------------------


def encode_speedtest(results: Iterable[SpeedtestResult]) -> bytes:
    """The body that a client posts to `speedtest-answer`."""
    root = etree.Element("speedtest")
    for result in results:
        values = {
            "target": result.target,
            "speed": str(result.speed),
            "ping": str(result.ping),
        }
        etree.SubElement(root, "result", values)
    return _serialise(root)


def decode_speedtest(body: bytes) -> tuple[SpeedtestResult, ...]:
    """The measurements of a client, those without usable numbers left out. Raises BadMessage."""
    elements = parse(body, "speedtest").findall("result")[: limits.MAX_SPEEDTEST_RESULTS]
    results = []
    for element in elements:
        target, speed, ping = _get(element, "target"), _optional_int(element, "speed"), _optional_int(element, "ping")
        if target is not None and speed is not None and ping is not None:
            results.append(SpeedtestResult(target, speed, ping))
    return tuple(results)


# --- helpers --------------------------------------------------------------------------------------


def _root(tag: str, status: int) -> etree._Element:
    return etree.Element(tag, status=str(int(status)))


def _serialise(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _short(tag: str, status: int) -> bytes:
    return f"<?xml version='1.0' encoding='utf-8'?>\n<{tag} status=\"{int(status)}\"/>".encode()


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(character for character in text if character.isprintable())


def _set_optional(element: etree._Element, name: str, value: str | int | None) -> None:
    if value is not None:
        element.set(name, str(value))


def _get(element: etree._Element, name: str) -> str | None:
    return element.get(name)


def _required(element: etree._Element, name: str) -> str:
    value = _get(element, name)
    if not value:
        raise BadMessage(f"the element '{element.tag}' lacks the attribute '{name}'")
    return value


def _required_md5(element: etree._Element, name: str) -> str:
    md5 = _required(element, name).lower()
    if not wire_rules.is_md5(md5):
        raise BadMessage(f"the attribute '{name}' of '{element.tag}' is not an md5")
    return md5


def _required_int(element: etree._Element, name: str) -> int:
    number = wire_rules.integer(_required(element, name))
    if number is None:
        raise BadMessage(f"the attribute '{name}' of '{element.tag}' is not a whole number")
    return number


def _optional_int(element: etree._Element, name: str) -> int | None:
    return wire_rules.integer(_get(element, name) or "")


def _status(root: etree._Element, codes: type[_Code]) -> _Code | int:
    number = _required_int(root, "status")
    return codes(number) if number in set(codes) else number


def _wish(root: etree._Element) -> OwnerWish | None:
    """What the owner wants; a wish of a later version counts as not said."""
    word = _get(root, "wish")
    return OwnerWish(word) if word in set(OwnerWish) else None


_NO_JOB = WorkAnswer(WorkStatus.NO_JOB)
_NO_JOB_BYTES = _short("jobrequest", WorkStatus.NO_JOB)
