"""One farm over HTTP: a method for each request of the protocol. What goes wrong is a typed error."""

import logging
import mimetypes
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlencode

import httpx2

import sheepfold
from sheepfold.client.fetch import FetchError, Incoming
from sheepfold.client.throttle import Throttle
from sheepfold.protocol import codec, params
from sheepfold.protocol.codec import BadMessage
from sheepfold.protocol.codes import ArchiveKind, ConfigStatus, EndpointKind, UploadStatus
from sheepfold.protocol.extras import NOT_DIRECT
from sheepfold.protocol.messages import (
    ArchiveRequest,
    ErrorReport,
    FrameUpload,
    Heartbeat,
    HeartbeatAnswer,
    Job,
    SessionAnswer,
    SessionRequest,
    UploadAnswer,
    WorkAnswer,
    WorkRequest,
)

_CONFIG_PATH = "/server/config.php"
_PIECE = 256 * 1024
_BUSY = frozenset({408, 425, 429})
_NO_FORM_HERE = frozenset({404, 405, 501})
_UNSEEN_FORM = frozenset({ConfigStatus.NO_VERSION, ConfigStatus.MISSING_PARAMETER})
_MOST_RETRY_AFTER = 3600.0
_Answer = TypeVar("_Answer")

# The HTTP library logs addresses, and a session request by GET carries the key in its address.
logging.getLogger("httpx2").setLevel(logging.WARNING)
logging.getLogger("httpcore2").setLevel(logging.WARNING)


class FarmError(Exception):
    """The farm gave no usable answer. The text says why, for people."""


class UnreachableError(FarmError):
    """No connection, or the farm says that it cannot now. Trying again later helps."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadAnswerError(FarmError):
    """Something answered, but not as a farm does: a web page, another program, a broken message."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the farm."""

    server: str
    proxy: str | None = None
    ca_file: Path | None = None
    bandwidth: int | None = None  # bytes a second


class Farm:
    """The requests of one session. Safe to use from several threads. The cookie of the session lives here."""

    def __init__(self, connection: Connection) -> None:
        """Raises FarmError when the certificates or the proxy address cannot be used."""
        self._server = connection.server.rstrip("/")
        self._throttle = Throttle(connection.bandwidth)
        self._paths: dict[EndpointKind, str] = {}
        self._http = _http_client(connection)

    def open_session(self, request: SessionRequest) -> SessionAnswer:
        """Log in. The form keeps the key out of logs; a farm that looks only at the query gets it there."""
        pairs = params.encode_session_request(request)
        url = self._server + _CONFIG_PATH
        response = self._send("POST", url, data=dict(pairs))
        if response.status_code not in _NO_FORM_HERE:
            answer = _decoded(response, codec.decode_session_answer)
            if answer.status not in _UNSEEN_FORM:
                return self._remember(answer)
        return self._remember(_decoded(self._send("GET", _with_query(url, pairs)), codec.decode_session_answer))

    def has(self, kind: EndpointKind) -> bool:
        """Whether the farm named a place for this kind of request."""
        return kind in self._paths

    def request_work(self, request: WorkRequest) -> WorkAnswer:
        url = _with_query(self._url(EndpointKind.REQUEST_JOB), params.encode_work_request(request))
        body = codec.encode_cache(request.cached_md5s)
        response = self._send("POST", url, content=body, headers={"Content-Type": "application/xml"})
        return _decoded(response, codec.decode_work_answer)

    def archive(self, kind: ArchiveKind, job: Job) -> "FarmArchive":
        """Where `fetch.Cache` gets an archive of a job from."""
        revision = job.revision if kind is ArchiveKind.SCENE else None
        pairs = params.encode_archive_request(ArchiveRequest(kind, job.id, revision))
        return FarmArchive(self, _with_query(self._url(EndpointKind.DOWNLOAD_ARCHIVE), pairs))

    def upload(self, frame: FrameUpload, image: Path, validation_url: str = "") -> UploadAnswer:
        """Send a finished frame: to `validate-job`, or to the job's own address where the farm has none."""
        if self.has(EndpointKind.VALIDATE_JOB):
            url = _with_query(self._url(EndpointKind.VALIDATE_JOB), params.encode_frame_upload(frame))
        else:
            url = _with_query(validation_url, params.encode_upload_measures(frame))
        name = f"{frame.job}_{frame.frame:04d}{image.suffix}"
        mime = mimetypes.guess_type(name)[0] or f"image/{image.suffix.removeprefix('.') or 'png'}"
        with image.open("rb") as content:
            response = self._send("POST", url, files={"file": (name, _Paced(content, self._throttle), mime)})
        if response.status_code == httpx2.codes.CONTENT_TOO_LARGE:
            return UploadAnswer(UploadStatus.TOO_LARGE)
        return _decoded(response, codec.decode_upload_answer)

    def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        url = _with_query(self._url(EndpointKind.KEEP_ALIVE), params.encode_heartbeat(beat))
        return _decoded(self._send("GET", url), codec.decode_heartbeat_answer)

    def report_error(self, report: ErrorReport, log: str) -> None:
        """Hand in the log of a failure. What the farm says to it changes nothing."""
        url = _with_query(self._url(EndpointKind.ERROR), params.encode_error_report(report))
        self._send("POST", url, files={"file": ("log.txt", log.encode(), "text/plain")})

    def log_out(self) -> None:
        """Tell the farm that this machine is done. Does nothing where the farm names no place for it."""
        if self.has(EndpointKind.LOGOUT):
            self._send("GET", self._url(EndpointKind.LOGOUT))

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[Incoming]:
        """An archive from `offset` on, if the farm can resume. Raises FetchError."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        try:
            with ExitStack() as open_answers:
                yield _incoming(self._opened(url, headers, open_answers), offset, self._throttle)
        except httpx2.HTTPError as error:
            raise FetchError(f"the download broke off: {_reason(error)}") from error

    def _opened(self, url: str, headers: dict[str, str], open_answers: ExitStack) -> httpx2.Response:
        """The answer with the archive. Where the farm sends us elsewhere in vain, it has to give it itself."""
        answer = open_answers.enter_context(self._http.stream("GET", url, headers=headers))
        if answer.next_request is None:
            return answer
        with suppress(httpx2.TransportError):
            place = str(answer.next_request.url)
            other = open_answers.enter_context(self._http.stream("GET", place, headers=headers, follow_redirects=True))
            if other.is_success or other.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE:
                return other
        again = _with_query(url, [NOT_DIRECT])
        return open_answers.enter_context(self._http.stream("GET", again, headers=headers, follow_redirects=True))

    def _remember(self, answer: SessionAnswer) -> SessionAnswer:
        if answer.status == ConfigStatus.OK:
            self._paths = {endpoint.kind: endpoint.path for endpoint in answer.endpoints}
        return answer

    def _url(self, kind: EndpointKind) -> str:
        path = self._paths.get(kind)
        if path is None:
            raise BadAnswerError(f"the farm names no place for '{kind.value}' requests")
        return path if path.startswith(("http://", "https://")) else f"{self._server}/{path.lstrip('/')}"

    def _send(self, method: str, url: str, **body: Any) -> httpx2.Response:
        try:
            response = self._http.request(method, url, follow_redirects=method == "GET", **body)
        except httpx2.HTTPError as error:
            raise UnreachableError(f"the farm cannot be reached: {_reason(error)}") from error
        except httpx2.InvalidURL as error:
            raise BadAnswerError(f"the farm's address cannot be used: {error}") from error
        if response.status_code >= 500 and response.status_code not in _NO_FORM_HERE:
            raise UnreachableError(_http_words(response), _retry_after(response))
        if response.status_code in _BUSY:
            raise UnreachableError(_http_words(response), _retry_after(response))
        return response


@dataclass(frozen=True, slots=True)
class FarmArchive:
    """One archive of a farm, as `fetch.ArchiveSource`."""

    farm: Farm
    url: str

    @contextmanager
    def open(self, offset: int) -> Iterator[Incoming]:
        with self.farm.download(self.url, offset) as incoming:
            if incoming is not _RESTART:
                yield incoming
                return
        with self.farm.download(self.url, 0) as incoming:
            yield incoming


class _Paced:
    """A file that is read no faster than the cap."""

    def __init__(self, file: BinaryIO, throttle: Throttle) -> None:
        self._file, self._throttle = file, throttle

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._throttle.moved(len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()


_RESTART = Incoming(iter(()), resumed=False, total=None)


def _http_client(connection: Connection) -> httpx2.Client:
    read = 600.0 if connection.proxy else 90.0
    try:
        return httpx2.Client(
            headers={"User-Agent": f"sheepfold/{sheepfold.__version__}"},
            timeout=httpx2.Timeout(connect=30.0, read=read, write=90.0, pool=None),
            verify=ssl.create_default_context(cafile=str(connection.ca_file)) if connection.ca_file else True,
            proxy=connection.proxy,
        )
    except (OSError, ValueError) as error:
        raise FarmError(f"the certificates or the proxy cannot be used: {error}") from error


def _incoming(response: httpx2.Response, offset: int, throttle: Throttle) -> Incoming:
    if response.status_code == httpx2.codes.RANGE_NOT_SATISFIABLE and offset:
        return _RESTART
    if response.status_code not in (200, 206):
        raise FetchError(f"the farm did not give the archive: HTTP {response.status_code}")
    resumed = response.status_code == 206 and offset > 0
    length = response.headers.get("Content-Length", "")
    total = int(length) + (offset if resumed else 0) if length.isdigit() else None
    return Incoming(throttle.paced(response.iter_raw(_PIECE)), resumed, total)


def _decoded(response: httpx2.Response, decode: Callable[[bytes], _Answer]) -> _Answer:
    if response.is_redirect:
        where = response.headers.get("Location", "")
        raise BadAnswerError(f"the farm has moved to {where}: use that address")
    if response.status_code != 200:
        raise BadAnswerError(_http_words(response))
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise BadAnswerError("a web page answered instead of a farm; perhaps this network wants a login first")
    try:
        return decode(response.content)
    except BadMessage as error:
        raise BadAnswerError(f"the farm's answer cannot be read: {error}") from error


def _with_query(url: str, pairs: params.Pairs) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}"


def _http_words(response: httpx2.Response) -> str:
    return f"the farm answered HTTP {response.status_code} {response.reason_phrase}".strip()


def _retry_after(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return min(float(text), _MOST_RETRY_AFTER) if text.isdigit() else None


def _reason(error: httpx2.HTTPError) -> str:
    return str(error) or type(error).__name__
