"""Sends stored bytes to browsers without reading them into memory, in ranges where asked (a film can be wound)."""

import re
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store

FOR_GOOD = "private, max-age=31536000, immutable"
SMALL = 256 * 1024  # bytes; thumbnails are answered at once, without a stream
RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
SAFE_TO_SHOW = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "video/mp4", "video/webm"})


def send_blob(request: HttpRequest, blob: Blob, *, filename: str, attached: bool) -> HttpResponseBase:
    """The bytes as an image or film of the page, or as a file to keep. Anything else is only kept."""
    etag = f'"{blob.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    part = _range(request.headers.get("Range", ""), blob.size)
    response = _partial(blob, *part) if part else _whole(blob)
    response.headers["Content-Type"] = blob.media_type
    response.headers["ETag"] = etag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = FOR_GOOD
    response.headers["Content-Disposition"] = disposition(filename, attached or blob.media_type not in SAFE_TO_SHOW)
    return response


def disposition(filename: str, attached: bool) -> str:
    """RFC 6266, so that no name of a file breaks the header."""
    return f"{'attachment' if attached else 'inline'}; filename*=UTF-8''{quote(filename, safe='')}"


def _whole(blob: Blob) -> HttpResponseBase:
    length = {"Content-Length": str(blob.size)}
    if blob.size <= SMALL:
        return HttpResponse(store().read(blob.sha256), headers=length)
    return StreamingHttpResponse(store().stream(blob.sha256), headers=length)


def _partial(blob: Blob, start: int, end: int) -> StreamingHttpResponse:
    response = StreamingHttpResponse(store().stream(blob.sha256, start, end), status=206)
    response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    response.headers["Content-Length"] = str(end - start)
    return response


def _range(header: str, size: int) -> tuple[int, int] | None:
    """(start, end), end excluded. None for no range, or one that makes no sense: then all is sent."""
    found = RANGE.match(header)
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    return (start, end) if start < end else None
