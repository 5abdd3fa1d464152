"""One address before several servers, as a reverse proxy gives it: each connection goes to the next that answers."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PIECE = 1 << 16  # bytes


@dataclass
class Balancer:
    """`ports`: where the servers listen; may be changed at any time."""

    ports: list[int]
    url: str = ""
    _turns: Iterator[int] = field(default_factory=itertools.count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            upstream = await self._connect()
        except ConnectionError:
            writer.transport.abort()
            return
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self.ports)):
            with suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", self.ports[next(self._turns) % len(self.ports)])
        raise ConnectionRefusedError("no server listens")


@contextmanager
def balancer(ports: list[int]) -> Iterator[Balancer]:
    """On a free port of the loopback interface."""
    made, ready, over = Balancer(ports), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    ready.wait()
    yield made
    loop.call_soon_threadsafe(over.set)
    thread.join()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
