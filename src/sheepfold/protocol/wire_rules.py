"""What a text on the wire may look like, and which answers no client may get."""

import re
from urllib.parse import parse_qsl, urlsplit

from sheepfold.protocol import limits
from sheepfold.protocol.codes import ConfigStatus, EndpointKind, WorkStatus
from sheepfold.protocol.messages import (
    Endpoint,
    Job,
    RendererInfo,
    SessionAnswer,
    WorkAnswer,
)

# Clients of 2024 refuse a session whose answer lacks one of the second to eighth; those to 2020-04 upload to
# the first and all but those of 2024 download from the last.
REQUIRED_ENDPOINTS = frozenset(
    {
        EndpointKind.VALIDATE_JOB,
        EndpointKind.REQUEST_JOB,
        EndpointKind.DOWNLOAD_BINARY,
        EndpointKind.DOWNLOAD_CHUNK,
        EndpointKind.ERROR,
        EndpointKind.KEEP_ALIVE,
        EndpointKind.LOGOUT,
        EndpointKind.SPEEDTEST_ANSWER,
        EndpointKind.DOWNLOAD_ARCHIVE,
    }
)

_MD5 = re.compile(r"[0-9a-f]{32}")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*", re.ASCII)
_TOKEN = re.compile(r"[!-~]*")


def is_md5(text: str) -> bool:
    """Lower-case hex only: clients compare as text, so an upper-case md5 never matches."""
    return _MD5.fullmatch(text) is not None


def integer(text: str) -> int | None:
    """A whole number of at most 18 digits, or None. `int()` would take '1_0' and other alphabets' digits."""
    return int(text) if _INTEGER.fullmatch(text) else None


def is_token(text: str) -> bool:
    """Visible ASCII of a bounded length, as lease tokens are. The empty text counts."""
    return len(text) <= limits.MAX_TOKEN and _TOKEN.fullmatch(text) is not None


def check_session_answer(answer: SessionAnswer) -> None:
    """Raises ValueError for a success that would crash, loop or lock out some client."""
    if answer.status != ConfigStatus.OK:
        return
    _require(
        bool(answer.publickey),
        "a session needs a publickey: Java clients since 2019-09 crash without one",
    )
    missing = sorted(REQUIRED_ENDPOINTS - {endpoint.kind for endpoint in answer.endpoints})
    _require(not missing, f"a session needs every endpoint, missing: {', '.join(missing)}")
    for endpoint in answer.endpoints:
        _check_endpoint(endpoint)


def _check_endpoint(endpoint: Endpoint) -> None:
    path = endpoint.path
    _require(
        path.startswith("/"),
        f"the path '{path}' must begin with '/': clients append it to the server's URL",
    )
    _require(
        "?" not in path,
        f"the path '{path}' must not hold a query: clients append their own",
    )
    if endpoint.kind is EndpointKind.KEEP_ALIVE:
        longer = (endpoint.max_period or 0) > limits.OLD_CLIENT_MARGIN
        _require(longer, f"max-period must be above {limits.OLD_CLIENT_MARGIN} s")


def check_work_answer(answer: WorkAnswer) -> None:
    """Raises ValueError for an answer that some client refuses as a whole."""
    _require(
        (answer.job is not None) == (answer.status == WorkStatus.OK),
        "a job goes with status 0, and only there",
    )
    _require(
        all(is_md5(md5) for md5 in answer.delete_md5s),
        "files to delete are named by lower-case md5s",
    )
    if answer.job is not None:
        _require(
            answer.stats is not None,
            "a job needs stats: clients of 2015 to 2019 refuse it otherwise",
        )
        _check_job(answer.job)


def _check_job(job: Job) -> None:
    _require(
        0 < job.id <= limits.MAX_INT32,
        f"job id {job.id} is not a positive 32-bit number",
    )
    _require(
        0 <= job.frame <= limits.MAX_FRAME,
        f"frame {job.frame} cannot be rendered with Blender's -f",
    )
    _require(
        is_md5(job.archive_md5),
        f"archive_md5 '{job.archive_md5}' is not a lower-case md5",
    )
    _require(
        all(is_md5(chunk.md5) for chunk in job.chunks),
        "a chunk's md5 is not a lower-case md5",
    )
    _require(is_token(job.extras), "extras must be visible ASCII: clients do not encode it")
    _require(
        bool(job.script),
        "the script must not be empty: clients since 2019-09 refuse an empty element",
    )
    _check_path(job.path)
    _check_validation_url(job)
    _check_renderer(job.renderer)


def _check_path(path: str) -> None:
    plain = path.isprintable() and "\\" not in path
    inside = not path.startswith("/") and not {"", ".", ".."} & set(path.split("/"))
    _require(
        plain and inside,
        f"the scene's path '{path}' must be relative, with '/' between plain names",
    )


def _check_validation_url(job: Job) -> None:
    """Clients append only the measures, and no cookie goes to another host: the address must say it all."""
    parts = urlsplit(job.validation_url)
    absolute = parts.scheme in ("http", "https") and bool(parts.netloc)
    _require(absolute and bool(parts.query), "validation_url must be absolute and hold a query")
    lease = {("job", str(job.id)), ("frame", f"{job.frame:04d}"), ("extras", job.extras)}
    named = lease <= set(parse_qsl(parts.query, keep_blank_values=True))
    _require(named, "validation_url must name the job, the frame and the extras that the job has")


def _check_renderer(renderer: RendererInfo) -> None:
    words = renderer.commandline.split(" ")
    _require(is_md5(renderer.md5), f"renderer md5 '{renderer.md5}' is not a lower-case md5")
    _require(
        words[0] == ".e" and "" not in words,
        "the commandline begins with '.e' and has single blanks between words",
    )


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)
