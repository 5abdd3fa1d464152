"""The HTTP server: uvicorn on a socket that the caller opened (ADR 1)."""

import asyncio
import gc
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from sheepfold.server.core.config import config
from sheepfold.server.core.zero_copy import offer_to_send_files
from sheepfold.server.health import begin_draining

HEAD_LIMIT = 64 * 1024  # bytes of request line and headers; a session request, the longest, has 2 KiB
HEAD_SECONDS = 20.0  # in which the whole head must have come
BODY_SECONDS = 30.0  # in which so many bytes of a body must have come, again and again until it is complete:
BODY_BYTES = 2048  # slower than any modem, and far faster than those who only want to hold a connection
CHUNK_OVERHEAD = 8  # bytes besides each byte of a chunked body: pieces of one byte, as small as they get, have 5
SEND_SECONDS = 300.0  # in which a client must have taken 64 KiB of its answer
KEEP_ALIVE_SECONDS = 20
DRAIN_SECONDS = 10  # for requests that run when the server is told to end


class BoundedHttp(HttpToolsProtocol):
    """Refuses what is too long or comes too slowly, before it takes memory or holds a connection for ever.

    Lets the kernel send files.
    """

    _head_bytes: int | None = None  # None: not within a head
    _body_bytes: int | None = None  # None: not within a body
    _body_before = 0  # what `_body_bytes` was at the last look
    _message = 0  # how many have begun
    _overhead = 0  # bytes of a body that are none of its own: lengths of chunks, trailers
    _unanswered: Sequence[RequestResponseCycle] = ()  # requests of which another may have come in the same packet
    _timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch(HEAD_SECONDS, self._give_up)

    def data_received(self, data: bytes) -> None:
        within_head, message, body_before = self._head_bytes is not None, self._message, self._body_bytes
        super().data_received(data)
        if within_head and self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT:
                self._refuse("The request's headers are too long.")
        if body_before is not None and self._body_bytes is not None and message == self._message:
            self._overhead += len(data) - (self._body_bytes - body_before)
            if self._overhead > HEAD_LIMIT + CHUNK_OVERHEAD * self._body_bytes:
                self._refuse("The request's body is mostly wrapping.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._message += 1
        self._watch(HEAD_SECONDS, self._give_up)

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._body_bytes = self._body_before = self._overhead = 0
        self._watch(BODY_SECONDS, self._look_at_body)
        super().on_headers_complete()
        self._unanswered = [one for one in (*self._unanswered, self.cycle) if not one.response_complete]

    def on_body(self, body: bytes) -> None:
        self._body_bytes = (self._body_bytes or 0) + len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_bytes = None
        self._stop_watching()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_waiting_for_reader()
        self._send_timer = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting_for_reader()

    def eof_received(self) -> None:
        """The client will send no more, and asyncio closes the connection."""
        self._end_answers()

    def send_400_response(self, msg: str) -> None:
        self._end_answers()
        super().send_400_response(msg)

    def _end_answers(self) -> None:
        """Whoever is still answering shall not write to a closed connection, which uvloop takes for a mistake."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        offer_to_send_files(cycle)
        super()._start_asgi_task(cycle, app)

    def _watch(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_watching()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_waiting_for_reader(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _look_at_body(self) -> None:
        """Whether enough has come since the last look. While the farm itself does not read, nobody is slow."""
        come = (self._body_bytes or 0) - self._body_before
        if come < BODY_BYTES and not self.flow.read_paused:
            self._give_up()
            return
        self._body_before = self._body_bytes or 0
        self._watch(BODY_SECONDS, self._look_at_body)

    def _give_up(self) -> None:
        self._refuse("The request did not come in time.")

    def _refuse(self, words: str) -> None:
        """A connection on which an answer has begun can only be ended."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
        else:
            self.send_400_response(words)


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


def _spare_the_collector() -> None:
    """What the imports made stays; looking through it again and again took a quarter of the event loop's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def answer_requests(listening: socket.socket, *, trusted_proxies: str = "") -> None:
    """Serve the farm's application until SIGTERM or SIGINT; then finish what runs."""
    from sheepfold.server.asgi import (
        application,
    )  # what it imports takes a second; open_socket needs none of it

    settings = uvicorn.Config(
        application,
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
    _spare_the_collector()
    DrainingServer(settings).run(sockets=[listening])
