"""Uploaded frames: the order of `receive_frame` is what keeps them. The bytes are safe before anything is counted."""

import asyncio
import contextlib
from pathlib import Path

import structlog
from starlette.requests import Request
from starlette.responses import Response

from sheepfold.protocol import codec
from sheepfold.protocol.codes import UploadStatus
from sheepfold.protocol.generations import traits_of
from sheepfold.protocol.messages import FrameUpload, UploadAnswer
from sheepfold.protocol.params import Refused, decode_frame_upload
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import Unavailable
from sheepfold.server.core.storage import DiskStorage, store
from sheepfold.server.node_api.counters import UPLOADS, count
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.multipart import BadUpload, receive_file
from sheepfold.server.node_api.wire import TooLarge, merged, query_params, xml_answer
from sheepfold.server.pipeline.uploads import Awaited, Known, Received, give_up, look_up, settle
from sheepfold.server.results.checks import ImageFacts, pixel_limit
from sheepfold.server.results.keeping import Taken, keep

log = structlog.get_logger()

MIB = 1 << 20


async def receive_frame(request: Request, desk: Desk) -> Response:
    """`validate-job` and `validation_url`: the image of a tile."""
    try:
        with await receive_file(request, config().image_limit_mib * MIB) as received:
            params = merged(query_params(request), received.fields)
            return _answer(await _take(desk, decode_frame_upload(params), received.path))
    except Refused as refusal:
        log.info("frame refused", reason=refusal.reason)
        return _refuse(refusal.status)
    except BadUpload as error:
        log.info("frame not received", reason=str(error))
        return _refuse(UploadStatus.UPLOAD_FAILED)
    except OSError as error:
        log.error("frame not written down, its tile waits again", reason=str(error))
        return await _give_back(request, desk)
    except TooLarge:
        return _refuse(UploadStatus.TOO_LARGE)


async def _give_back(request: Request, desk: Desk) -> Response:
    """The farm had no room for the frame. Many clients forget it when they hear so; the address names its lease."""
    with contextlib.suppress(Refused):
        found = await desk.commits.run(look_up, decode_frame_upload(query_params(request)))
        if isinstance(found, Awaited):
            await desk.commits.run(give_up, found.lease)
    return _refuse(UploadStatus.UPLOAD_FAILED)


async def _take(desk: Desk, upload: FrameUpload, path: Path | None) -> UploadStatus:
    """The verdict, in the words that this generation of clients survives."""
    if path is None:
        raise Refused(UploadStatus.MISSING_PARAMETER, "there is no file in the request")
    found = await desk.commits.run(look_up, upload)
    status = found.status if isinstance(found, Known) else await _settle(desk, found, path)
    count(UPLOADS, status)
    return traits_of(found.generation).upload_status(status)


async def _settle(desk: Desk, found: Awaited, path: Path) -> UploadStatus:
    try:
        image = await _take_in(desk, path, pixel_limit(found.width, found.height))
    except (OSError, Unavailable) as error:
        log.error("frame not kept, its tile waits again", reason=str(error))
        await desk.commits.run(give_up, found.lease)
        return UploadStatus.UPLOAD_FAILED
    return await desk.commits.run(settle, Received(found, image))


async def _take_in(desk: Desk, path: Path, most_pixels: int) -> Taken:
    """Decode the file and keep it. A bucket makes one wait, which a decoding process has better things to do than."""
    target = store()
    if isinstance(target, DiskStorage):
        return await desk.decoders.take(path, most_pixels, target)
    facts = await desk.decoders.inspect(path, most_pixels)
    return await asyncio.to_thread(keep, path, facts, target) if isinstance(facts, ImageFacts) else facts


def _refuse(status: UploadStatus | int) -> Response:
    count(UPLOADS, status)
    return _answer(status)


def _answer(status: UploadStatus | int) -> Response:
    return xml_answer(codec.encode_upload_answer(UploadAnswer(status)))
