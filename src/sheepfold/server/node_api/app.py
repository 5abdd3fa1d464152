"""Routes of the node API. Each endpoint: authenticate, decode, one call, encode."""

import re
import time
from collections.abc import Awaitable, Callable

import structlog
from django.db import DatabaseError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sheepfold.server.node_api import archives, frames, jobs, logins
from sheepfold.server.node_api.counters import REQUEST_SECONDS
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.node_api.wire import TooLarge

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


def node_routes(desk: Desk) -> list[Route]:
    """All endpoints, by GET and POST alike."""
    return [
        Route(path, _measured(path, _served(endpoint, desk)), methods=["GET", "POST"])
        for path, endpoint in ENDPOINTS.items()
    ]


def _measured(path: str, serve: Served) -> Served:
    name = path.rpartition("/")[2].removesuffix(".php")

    async def measured(request: Request) -> Response:
        started = time.perf_counter()
        response = await serve(request)
        REQUEST_SECONDS.labels(name, response.status_code).observe(time.perf_counter() - started)
        return response

    return measured


def _served(endpoint: Endpoint, desk: Desk) -> Served:
    async def serve(request: Request) -> Response:
        try:
            return await endpoint(request, desk)
        except TooLarge:
            return Response("The request is larger than any client's.", 413, media_type="text/plain")
        except DatabaseError as error:
            log.error("database not reached", path=request.url.path, error=str(error))
            return Response("The farm's database does not answer; try again soon.", 503, media_type="text/plain")

    return serve


class SingleSlashes:
    """Some clients ask for `//server/…`; a redirect would lose their POST, so the path is mended here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, under a path without doubled slashes."""
        if scope["type"] == "http" and "//" in scope["path"]:
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
