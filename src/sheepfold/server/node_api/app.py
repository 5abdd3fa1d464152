"""Routes of the node API. Each endpoint: authenticate, decode, one call, encode."""

import re
import time
from collections.abc import Awaitable, Callable

import structlog
from django.db import InterfaceError, InternalError, OperationalError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sheepfold.protocol import codec
from sheepfold.protocol.codes import HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.protocol.messages import ErrorAnswer, HeartbeatAnswer, UploadAnswer, WorkAnswer
from sheepfold.server.core.request_log import followed, log_failure
from sheepfold.server.node_api import archives, frames, jobs, logins
from sheepfold.server.node_api.counters import BROKEN, request_seconds
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.wire import TooLarge, xml_answer

log = structlog.get_logger()

Endpoint = Callable[[Request, Desk], Awaitable[Response]]
Served = Callable[[Request], Awaitable[Response]]

ENDPOINTS: dict[str, Endpoint] = {
    "/server/config.php": logins.create_session,
    "/server/logout.php": logins.end_session,
    "/server/speedtest.php": logins.take_speedtest,
    "/server/request_job.php": jobs.request_job,
    "/server/keepmealive.php": jobs.keep_alive,
    "/server/error.php": jobs.report_error,
    "/server/archive.php": archives.download_archive,
    "/server/binary.php": archives.download_binary,
    "/server/chunk.php": archives.download_chunk,
    "/server/send_frame.php": frames.receive_frame,
}

# What each endpoint answers where the farm itself is at fault: every generation takes it and comes again, while a 5xx
# ends some. A login has no such word: there 503 lets them wait.
APOLOGIES: dict[str, bytes] = {
    "/server/logout.php": b"<logout/>",
    "/server/speedtest.php": b"<speedtest/>",
    "/server/request_job.php": codec.encode_work_answer(WorkAnswer(WorkStatus.NO_JOB)),
    "/server/keepmealive.php": codec.encode_heartbeat_answer(HeartbeatAnswer(HeartbeatStatus.OK)),
    "/server/error.php": codec.encode_error_answer(ErrorAnswer()),
    "/server/send_frame.php": codec.encode_upload_answer(UploadAnswer(UploadStatus.UPLOAD_FAILED)),
}
DOWNLOADS = frozenset({"/server/archive.php", "/server/binary.php", "/server/chunk.php"})  # know one refusal, 404


METHODS = ("GET", "POST")  # alike, for every endpoint


class NodeApi:
    """Answers machines; everything else goes on to `rest`. No layer of a framework lies between, since nothing of a
    router or of its handlers of exceptions is needed here, and they took a sixth of the event loop's time."""

    def __init__(self, desk: Desk, rest: ASGIApp) -> None:
        self._endpoints = {path: _measured(path, _served(endpoint, desk)) for path, endpoint in ENDPOINTS.items()}
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        serve = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if serve is None:
            await self._rest(scope, receive, send)
            return
        with followed(scope):
            response = await serve(Request(scope, receive, send)) if scope["method"] in METHODS else _not_allowed()
            await response(scope, receive, send)
            log_failure(scope, response.status_code)


def _not_allowed() -> Response:
    return Response("Method Not Allowed", 405, {"Allow": ", ".join(METHODS)}, media_type="text/plain")


def _measured(path: str, serve: Served) -> Served:
    seconds = request_seconds(path.rpartition("/")[2].removesuffix(".php"))

    async def measured(request: Request) -> Response:
        started = time.perf_counter()
        response = await serve(request)
        seconds(response.status_code).observe(time.perf_counter() - started)
        return response

    return measured


def _served(endpoint: Endpoint, desk: Desk) -> Served:
    async def serve(request: Request) -> Response:
        try:
            return await endpoint(request, desk)
        except TooLarge:
            return Response("The request is larger than any client's.", 413, media_type="text/plain")
        except (OperationalError, InterfaceError, InternalError) as error:
            log.error("database not reached", path=request.url.path, error=str(error))
            return Response("The farm's database does not answer; try again soon.", 503, media_type="text/plain")
        except ClientDisconnect:
            raise
        except Exception:  # the top of a machine's request
            log.exception("request broke", path=request.url.path)
            return _apology(request.url.path)

    return serve


def _apology(path: str) -> Response:
    BROKEN.labels(path.rpartition("/")[2].removesuffix(".php")).inc()
    if path in APOLOGIES:
        return xml_answer(APOLOGIES[path])
    return Response(status_code=404 if path in DOWNLOADS else 503)


class SingleSlashes:
    """Some clients ask for `//server/…`; a redirect would lose their POST, so the path is mended here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, under a path without doubled slashes."""
        if scope["type"] == "http" and "//" in scope["path"]:
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
