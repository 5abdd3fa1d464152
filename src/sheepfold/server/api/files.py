"""Answers that are files: streamed from the store, never whole in memory."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from django.http import HttpResponseBase, StreamingHttpResponse

from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store
from sheepfold.server.outputs.zip import FrameZip


def blob_answer(blob: Blob, name: str) -> HttpResponseBase:
    """A blob to be saved under this name."""
    return _attachment(store().stream(blob.sha256), name, blob.size, blob.media_type)


def zip_answer(frames: FrameZip) -> HttpResponseBase:
    """A zip that is made while it is sent."""
    return _attachment(aiter(frames), frames.name, frames.size, "application/zip")


def _attachment(chunks: AsyncIterator[bytes], name: str, size: int, media_type: str) -> HttpResponseBase:
    answer = StreamingHttpResponse(chunks, content_type=media_type)
    answer["Content-Length"] = str(size)
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return answer
