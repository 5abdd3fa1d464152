"""HTTP that costs next to nothing: raw sockets under asyncio, connections that stay, times from the intended moment."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

BOUNDARY = "sheepfold-bench"
PATIENCE = 60.0  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


class BadAnswer(Exception):
    """The farm answered what no healthy farm does: the figures are worth nothing."""


@dataclass(slots=True)
class Pool:
    """Connections to one server. `fresh`: a new connection for each request, as from machines all over the world."""

    address: tuple[str, int]
    fresh: bool = False
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(
        self, method: str, target: str, cookie: str = "", body: bytes = b"", kind: str = "text/xml"
    ) -> Answer:
        """One request. Raises BadAnswer for anything but 200."""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
        head += f"Cookie: sheepfold={cookie}\r\n" if cookie else ""
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if method == "POST" else ""
        head += "Connection: close\r\n\r\n" if self.fresh else "\r\n"
        async with asyncio.timeout(PATIENCE):
            answer = await self._exchange(head.encode() + body)
        if answer.status != 200:
            raise BadAnswer(f"{method} {target}: {answer.status} {answer.body[:200]!r}")
        return answer

    async def _exchange(self, request: bytes) -> Answer:
        while True:
            is_kept = bool(self._idle)
            reader, writer = self._idle.pop() if is_kept else await asyncio.open_connection(*self.address)
            try:
                writer.write(request)
                answer = await _read(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                if is_kept:  # the server ended it while it was idle
                    continue
                raise
            if self.fresh:
                writer.close()
            else:
                self._idle.append((reader, writer))
            return answer

    def close(self) -> None:
        """All idle connections."""
        while self._idle:
            self._idle.pop()[1].close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = int(head[9:12]), 0
    for line in head.split(b"\r\n")[1:]:
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    return Answer(status, await reader.readexactly(length))


def multipart(image: bytes, name: str = "frame.png") -> tuple[bytes, str]:
    """A body with one file, and its media type."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(slots=True)
class Times:
    """Seconds from the moment at which a request should have gone to its whole answer, by kind of request."""

    by_kind: dict[str, list[float]] = field(default_factory=dict)

    def note(self, kind: str, since: float) -> None:
        """One answer more; `since` on the clock of `time.perf_counter`."""
        self.by_kind.setdefault(kind, []).append(time.perf_counter() - since)


Act = Callable[[float], Awaitable[None]]  # gets the moment at which it should begin


async def open_loop(act: Act, per_second: float, seconds: float, *, seed: int = 1) -> None:
    """Begin `act` at random moments, so often a second, whether or not earlier ones have ended."""
    gaps, running = random.Random(seed), set[asyncio.Task[None]]()
    start = moment = time.perf_counter()
    while (moment := moment + gaps.expovariate(per_second)) < start + seconds:
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        task = asyncio.ensure_future(act(moment))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
