"""The HTTP server: uvicorn on a socket that the caller opened (ADR 1)."""

import asyncio
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sheepfold.server.core.config import config
from sheepfold.server.core.zero_copy import ZeroCopy
from sheepfold.server.health import begin_draining

HEAD_LIMIT = 64 * 1024  # bytes of request line and headers; a session request, the longest, has 2 KiB
HEAD_SECONDS = 20  # in which the whole head must have come
KEEP_ALIVE_SECONDS = 20
DRAIN_SECONDS = 10  # for requests that run when the server is told to end


class BoundedHttp(HttpToolsProtocol):
    """Refuses a head that is too long or too slow, before it takes memory or holds a connection for ever.

    Lets the kernel send files.
    """

    _head_bytes: int | None = None  # None: not within a head
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        within_head = self._head_bytes is not None
        super().data_received(data)
        if within_head and self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
                self.send_400_response("The request's headers are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._watch_head()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_watching()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, ZeroCopy(app, cycle))  # type: ignore[arg-type]  # uvicorn has types of its own

    def _watch_head(self) -> None:
        self._stop_watching()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.send_400_response("The request did not come in time.")


class HeaderName(bytes):
    """The name of a header as it shall be written: uvicorn calls `lower` on every name."""

    def lower(self) -> bytes:
        return self


SET_COOKIE = HeaderName(b"Set-Cookie")


def with_cookie_case(application: ASGIApp) -> ASGIApp:
    """SheepIt clients before 2018-12 see `Set-Cookie` in exactly this case and no other."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_cased(event: Message) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [_cased(name, value) for name, value in event["headers"]]
            await send(event)

        await application(scope, receive, send_cased)

    return wrapped


def _cased(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return (SET_COOKIE if name == b"set-cookie" else name), value


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises OSError, e.g. when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(True)
    return listening


class DrainingServer(uvicorn.Server):
    """Told to end, it first says so to balancers for a while, then takes no more requests and finishes those it has."""

    _ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins to drain, the second ends at once."""
        begin_draining()
        if self._ends_at is None and config().drain_seconds:
            self._ends_at = time.monotonic() + config().drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; true ends the server."""
        drained = self._ends_at is not None and time.monotonic() >= self._ends_at
        return await super().on_tick(counter) or drained


def answer_requests(listening: socket.socket, *, trusted_proxies: str = "") -> None:
    """Serve the farm's application until SIGTERM or SIGINT; then finish what runs."""
    from sheepfold.server.asgi import (
        application,
    )  # what it imports takes a second; open_socket needs none of it

    settings = uvicorn.Config(
        with_cookie_case(application),
        http=BoundedHttp,
        loop="auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    DrainingServer(settings).run(sockets=[listening])
