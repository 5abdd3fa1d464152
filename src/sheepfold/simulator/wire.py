"""The requests of one machine. A dead connection is `Unreachable`; what no farm may answer goes into the ledger."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx2

from sheepfold.protocol import codec, params
from sheepfold.protocol.codes import ArchiveKind, EndpointKind
from sheepfold.protocol.messages import (
    ArchiveRequest,
    ErrorReport,
    FrameUpload,
    Heartbeat,
    Job,
    SessionAnswer,
    SessionRequest,
    WorkAnswer,
    WorkRequest,
)
from sheepfold.simulator.ledger import Ledger

BOUNDARY = "sheepfold-simulator"
PIECES = 8  # of an upload that trickles


class Unreachable(Exception):
    """No answer came. Whether the farm has the request is not known."""


class NoLease(Exception):
    """The farm gives no archive: the lease has ended, as it does when the machine was too slow."""


class Wire:
    """One machine's connection. The cookie is kept here, since all machines share one HTTP client."""

    def __init__(self, http: httpx2.AsyncClient, server: str, ledger: Ledger) -> None:
        self._http, self._server, self._ledger = http, server, ledger
        self._paths: dict[EndpointKind, str] = {}
        self._cookie = ""

    async def open_session(self, request: SessionRequest) -> SessionAnswer:
        """Log in; a cookie of before goes along, as clients send it."""
        pairs = params.encode_session_request(request)
        response = await self._send("POST", f"{self._server}/server/config.php", data=dict(pairs))
        answer = codec.decode_session_answer(response.content)
        self._cookie = response.headers.get("set-cookie", self._cookie).partition(";")[0]
        self._paths = {endpoint.kind: endpoint.path for endpoint in answer.endpoints} or self._paths
        return answer

    def forget_session(self) -> None:
        """As a machine does that was switched off."""
        self._cookie = ""

    async def ask(self, request: WorkRequest) -> WorkAnswer:
        """A job, or why there is none."""
        pairs = params.encode_work_request(request)
        body = codec.encode_cache(request.cached_md5s)
        response = await self._send(
            "POST", self._url(EndpointKind.REQUEST_JOB, pairs), content=body, headers={"Content-Type": "text/xml"}
        )
        return codec.decode_work_answer(response.content)

    async def fetch(self, kind: ArchiveKind, job: Job, md5: str) -> None:
        """Download an archive and compare its md5. Raises NoLease."""
        pairs = params.encode_archive_request(ArchiveRequest(kind, job.id))
        response = await self._request("GET", self._url(EndpointKind.DOWNLOAD_ARCHIVE, pairs))
        if response.status_code == httpx2.codes.NOT_FOUND:
            raise NoLease
        self._checked(response)
        if hashlib.md5(response.content, usedforsecurity=False).hexdigest() != md5:
            self._ledger.surprises.append(f"the {kind.name} of job {job.id} has not the md5 {md5}")

    async def beat(self, beat: Heartbeat) -> int:
        """Go on, or stop."""
        response = await self._send("GET", self._url(EndpointKind.KEEP_ALIVE, params.encode_heartbeat(beat)))
        return int(codec.decode_heartbeat_answer(response.content).status)

    async def upload(self, frame: FrameUpload, image: bytes, seconds: float) -> int:
        """Send a frame, stretched over some seconds."""
        url = self._url(EndpointKind.VALIDATE_JOB, params.encode_frame_upload(frame))
        response = await self._send("POST", url, **_multipart(image, seconds))
        return int(codec.decode_upload_answer(response.content).status)

    async def report(self, report: ErrorReport) -> None:
        """Tell of a failure."""
        url = self._url(EndpointKind.ERROR, params.encode_error_report(report))
        await self._send("POST", url, **_multipart(b"a simulated failure\n", 0))

    async def log_out(self) -> None:
        """Give back what is held."""
        await self._send("GET", self._url(EndpointKind.LOGOUT))

    def _url(self, kind: EndpointKind, pairs: Sequence[tuple[str, str]] = ()) -> str:
        return f"{self._server}{self._paths[kind]}?{urlencode(pairs)}"

    async def _send(self, method: str, url: str, headers: dict[str, str] | None = None, **body: Any) -> httpx2.Response:
        return self._checked(await self._request(method, url, headers, **body))

    async def _request(
        self, method: str, url: str, headers: dict[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        cookie = {"Cookie": self._cookie} if self._cookie else {}
        try:
            return await self._http.request(method, url, headers=cookie | (headers or {}), **body)
        except httpx2.TransportError as error:
            self._ledger.broken_off += 1
            raise Unreachable(str(error)) from error

    def _checked(self, response: httpx2.Response) -> httpx2.Response:
        if self._ledger.hurt and response.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            self._ledger.troubles["HTTP 503"] += 1
            raise Unreachable("HTTP 503")
        if response.status_code != httpx2.codes.OK:
            self._ledger.surprises.append(f"HTTP {response.status_code} for {response.url.path}")
            raise Unreachable(f"HTTP {response.status_code}")
        return response


def _multipart(content: bytes, seconds: float) -> dict[str, Any]:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="frame.png"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
    return {"content": _trickle(body, seconds) if seconds else body, "headers": headers}


async def _trickle(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    step = len(body) // PIECES + 1
    for start in range(0, len(body), step):
        await asyncio.sleep(seconds / PIECES)
        yield body[start : start + step]
