"""Downloads of renderers and scenes: only for a session that holds a tile of the project. Anything else is a 404.

From a bucket that machines can reach, Sheepfold's client fetches large archives itself (ADR 9).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sheepfold.protocol.extras import NOT_DIRECT
from sheepfold.protocol.messages import ArchiveRequest
from sheepfold.protocol.params import (
    Params,
    Refused,
    decode_archive_request,
    decode_binary_request,
    decode_chunk_request,
)
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import NotFound, Unavailable
from sheepfold.server.core.storage import store
from sheepfold.server.core.zero_copy import can_send_files, send_file
from sheepfold.server.node_api.byte_ranges import ByteRange, Unsatisfiable, parse_range
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.wire import all_params, session_token_hash
from sheepfold.server.pipeline.downloads import ArchiveQuery, StoredArchive, find_archives

log = structlog.get_logger()

ZIP = "application/zip"
DIRECT_FROM = 1 << 20  # bytes; a smaller archive is here before the second connection stands


async def download_archive(request: Request, desk: Desk) -> Response:
    """`download-archive`: the renderer (`type=binary`) or the scene (`type=job`) of a job."""
    return await _download(request, desk, decode_archive_request)


async def download_binary(request: Request, desk: Desk) -> Response:
    """`download-binary`: the renderer, as clients of 2024 ask for it."""
    return await _download(request, desk, decode_binary_request)


async def download_chunk(request: Request, desk: Desk) -> Response:
    """`download-chunk`: a piece of the scene. Ours has one piece, named by the md5 of the archive."""
    return await _download(request, desk, decode_chunk_request)


async def _download(request: Request, desk: Desk, decode: Callable[[Params], ArchiveRequest | str]) -> Response:
    params, _ = await all_params(request)
    try:
        wanted = decode(params)
    except Refused as refusal:
        log.info("download refused", reason=refusal.reason)
        return Response(status_code=404)
    query = ArchiveQuery(session_token_hash(request) or "", wanted)
    archive = await desk.commits.run(find_archives, query)
    if archive is None:
        return Response(status_code=404)
    return await _redirect(params, archive) or await _send(request, archive)


async def _redirect(params: Params, archive: StoredArchive) -> Response | None:
    """To the bucket, for an hour and this archive alone."""
    name, no = NOT_DIRECT
    is_wanted = archive.for_own_client and params.get(name) != no
    if not (config().storage_direct and is_wanted and archive.size >= DIRECT_FROM):
        return None
    url = await asyncio.to_thread(store().signed_url, archive.sha256)
    return RedirectResponse(url, 307, headers={"Cache-Control": "no-store"}) if url else None


async def _send(request: Request, archive: StoredArchive) -> Response:
    """Streamed with its length, whole or in part, and never gzipped: clients of 2020 stumble over either."""
    mark = f'"{archive.md5}"'
    wanted = request.headers.get("range") if request.headers.get("if-range", mark) == mark else None
    try:
        part = parse_range(wanted, archive.size)
    except Unsatisfiable:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{archive.size}"})
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(part.end - part.start), "ETag": mark}
    if part.is_partial:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{archive.size}"
    status, path = 206 if part.is_partial else 200, store().path(archive.sha256)
    if path is not None and can_send_files(request.scope):
        return StoredFile(path, part, status, headers)
    try:
        body = await _begun(store().stream(archive.sha256, part.start, part.end))
    except (NotFound, Unavailable) as error:
        log.error("archive not read", reason=str(error))
        return Response(status_code=404)
    return StreamingResponse(body, status, headers, media_type=ZIP)


async def _begun(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first of them read: what is not there must be known before the answer begins with 200."""
    first = await anext(stream, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in stream:
            yield chunk

    return whole()


class StoredFile(Response):
    """A part of a file in the store, sent by the kernel."""

    media_type = ZIP

    def __init__(self, path: Path, part: ByteRange, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._path, self._part = path, part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_file(scope, send, self._path, self._part.start, self._part.end)
