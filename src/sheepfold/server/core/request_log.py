"""Gives each request an id for its log lines, and logs what an operator will look for.

That is: every request that failed, and every one of a person or a program that may have changed something. Machines
ask hundreds of times a second; what they ask and get is counted instead, and their answers stay as small as ten years
of clients expect them. People and programs get the id with the answer.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sheepfold.server.core.logs import request_id

log = structlog.get_logger()

HEADER = b"x-request-id"
READING = frozenset({"GET", "HEAD", "OPTIONS"})


@contextmanager
def followed(scope: Scope) -> Iterator[str]:
    """The request inside has an id, which a proxy before the farm may have given it already. What it raises is logged:
    this is its top, and the server below answers 500 if nothing was sent yet."""
    given = next((value for name, value in scope["headers"] if name == HEADER), b"").decode("latin-1")
    with request_id(given) as name:
        try:
            yield name
        except ClientDisconnect:
            log.info("client went away", method=scope["method"], path=scope["path"])
        except Exception:
            log.exception("request broke", method=scope["method"], path=scope["path"])


def log_failure(scope: Scope, status: int) -> None:
    """The farm's own mistakes and refusals, by their HTTP status."""
    if status >= 500:
        log.error("request failed", method=scope["method"], path=scope["path"], status=status)


@dataclass(slots=True)
class _Answer:
    """What has been sent so far; status 0: nothing."""

    status: int = 0


class RequestLog:
    """Around the application for people and programs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with followed(scope) as name:
            await self._logged(scope, receive, send, name)

    async def _logged(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        answer, started = _Answer(), time.perf_counter()

        async def send_with_id(event: Message) -> None:
            if event["type"] == "http.response.start":
                answer.status = event["status"]
                event["headers"] = [*event["headers"], (HEADER, name.encode())]
            await send(event)

        await self._app(scope, receive, send_with_id)
        log_failure(scope, answer.status)
        if answer.status < 500 and scope["method"] not in READING:
            ms = round((time.perf_counter() - started) * 1000)
            log.info("request", method=scope["method"], path=scope["path"], status=answer.status, ms=ms)
