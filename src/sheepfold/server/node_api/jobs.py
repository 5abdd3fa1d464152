"""Job requests, heartbeats and error reports."""

import asyncio
from dataclasses import replace
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import Response

from sheepfold.protocol import codec, limits
from sheepfold.protocol.codes import WorkStatus
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.protocol.messages import ErrorAnswer, HeartbeatAnswer, Job, WorkAnswer
from sheepfold.protocol.params import decode_error_report, decode_heartbeat, decode_work_request
from sheepfold.server.core.config import config
from sheepfold.server.core.storage import BlobRef, store
from sheepfold.server.node_api.counters import HEARTBEATS, REPORTS, WORK, count
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.multipart import BadUpload, ReceivedFile, receive_file
from sheepfold.server.node_api.wire import (
    TooLarge,
    all_params,
    merged,
    query_params,
    session_token_hash,
    xml_answer,
)
from sheepfold.server.pipeline.heartbeats import Beat
from sheepfold.server.pipeline.reports import Report, record_reports
from sheepfold.server.pipeline.work import WorkQuery, WorkReply

log = structlog.get_logger()

UPLOAD_PATH = "/server/send_frame.php"


async def request_job(request: Request, desk: Desk) -> Response:
    """`request-job`: a tile, or why there is none."""
    params, body = await all_params(request)
    try:
        message = decode_work_request(params, body)
    except codec.BadMessage as error:
        log.info("list of cached archives not read", reason=str(error))
        message = decode_work_request(params)
    query = WorkQuery(session_token_hash(request) or "", message, frozenset(params))
    reply = await desk.commits.run(desk.work.serve_work, query)
    count(WORK, reply.status)
    return xml_answer(codec.encode_work_answer(_work_answer(request, reply)))


def _work_answer(request: Request, reply: WorkReply) -> WorkAnswer:
    """The reply in the form that this generation of clients understands."""
    traits = traits_of(Generation(reply.generation))
    if reply.job is None:
        status = traits.work_status(reply.status)
        return WorkAnswer(status, None, reply.stats, reply.delete_md5s, reply.wait_seconds, reply.wish)
    job = replace(
        reply.job,
        validation_url=_validation_url(request, reply.job),
        synchronous_upload=traits.synchronous_upload(at_once=traits.open_tiles == 1 or _is_test(reply.job)),
        renderer=replace(reply.job.renderer, commandline=_commandline(reply.job, traits.commandline_words())),
    )
    return WorkAnswer(WorkStatus.OK, job, reply.stats, reply.delete_md5s, wish=reply.wish)


def _is_test(job: Job) -> bool:
    return job.id < limits.FIRST_PROJECT_ID


def _validation_url(request: Request, job: Job) -> str:
    """Where the frame goes: absolute, and its token is all the authentication it needs."""
    base = config().public_url.rstrip("/") or f"{request.scope['scheme']}://{_asked_host(request)}"
    query = urlencode({"job": job.id, "frame": f"{job.frame:04d}", "extras": job.extras})
    return f"{base}{UPLOAD_PATH}?{query}"


def _asked_host(request: Request) -> str:
    """As the machine named it; else where it was connected to."""
    return request.headers.get("host") or request.url.netloc


def _commandline(job: Job, words: tuple[str, ...]) -> str:
    parts = job.renderer.commandline.split(" ")
    at = parts.index(".c")
    return " ".join([*parts[:at], *words, *parts[at:]])


async def keep_alive(request: Request, desk: Desk) -> Response:
    """`keepmealive`: go on, or stop this tile."""
    params, _ = await all_params(request)
    beat = Beat(session_token_hash(request), decode_heartbeat(params))
    pulse = await desk.commits.run(desk.heartbeats.serve, beat)
    count(HEARTBEATS, pulse.status)
    answer = HeartbeatAnswer(pulse.status, pulse.wish, pulse.wait_seconds)
    return xml_answer(codec.encode_heartbeat_answer(answer))


async def report_error(request: Request, desk: Desk) -> Response:
    """`error`: keep the report and its log. A log that cannot be read does not lose the report."""
    try:
        received = await receive_file(request, limits.MAX_LOG_BYTES)
    except (BadUpload, TooLarge) as error:
        log.info("log of an error report not read", reason=str(error))
        received = ReceivedFile()
    with received:
        kept = await asyncio.to_thread(_keep_log, received)
        message = decode_error_report(merged(query_params(request), received.fields))
        await desk.commits.run(record_reports, Report(session_token_hash(request), message, kept))
    REPORTS.inc()
    return xml_answer(codec.encode_error_answer(ErrorAnswer()))


def _keep_log(received: ReceivedFile) -> BlobRef | None:
    return store().keep(received.path, "text/plain; charset=utf-8") if received.path else None
