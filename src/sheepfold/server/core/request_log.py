"""Gives each request an id for its log lines and its answer, and logs what an operator will look for.

That is: every request that failed, and every one of a person or a program that may have changed something. Machines
ask hundreds of times a second; what they ask and get is counted instead.
"""

import time
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sheepfold.server.core.logs import request_id

log = structlog.get_logger()

HEADER = b"x-request-id"
READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class _Answer:
    """What has been sent so far; status 0: nothing."""

    status: int = 0


class RequestLog:
    """Around the application. `quiet`: where the paths of machines begin.

    Their successes are not logged, and their answers stay as small as ten years of clients expect them.
    """

    def __init__(self, app: ASGIApp, quiet: str) -> None:
        self._app = app
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. A proxy before the farm may have given it an id already."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        with request_id(given) as name:
            await self._logged(scope, receive, send, name)

    async def _logged(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        answer, started = _Answer(), time.perf_counter()
        is_quiet = scope["path"].startswith(self._quiet)
        id_headers = [] if is_quiet else [(HEADER, name.encode())]

        async def send_with_id(event: Message) -> None:
            if event["type"] == "http.response.start":
                answer.status = event["status"]
                event["headers"] = [*event["headers"], *id_headers]
            await send(event)

        words = {"method": scope["method"], "path": scope["path"]}
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("client went away", **words)
            return
        except Exception:  # the top of a request; the server below answers 500 if nothing was sent yet
            log.exception("request broke", **words)
            return
        if answer.status >= 500:
            log.error("request failed", **words, status=answer.status)
        elif scope["method"] not in READING and not is_quiet:
            ms = round((time.perf_counter() - started) * 1000)
            log.info("request", **words, status=answer.status, ms=ms)
