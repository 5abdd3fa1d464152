"""Files over HTTP that the kernel sends: their bytes never come into this process (ADR 14).

The server offers it with each request, among ASGI's extensions. Against nginx serving the same file: 0.25 of its speed
with chunks of 64 KiB through Python, 0.9 this way.
"""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from starlette.requests import ClientDisconnect
from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "sheepfold.sendfile"
MOST = 4 << 20  # bytes in one call; the kernel takes what the connection's buffer has room for
SILENT_SECONDS = 120.0  # without a byte taken; the client may go on later with a range
DISK_THREADS = 4  # a file that is not in memory makes its thread wait for the disk, not the event loop

_disk = ThreadPoolExecutor(DISK_THREADS, "send-file")


def can_send_files(scope: Scope) -> bool:
    """Whether this request's server sends files."""
    return EXTENSION in scope.get("extensions", {})


def offer_to_send_files(cycle: RequestResponseCycle) -> None:
    """Called by the server for each request. The connection must not be encrypted; a proxy does that."""
    cycle.scope["extensions"] = {EXTENSION: KernelSend(cycle)}  # type: ignore[dict-item]  # not a dict, as ASGI has it


async def send_file(scope: Scope, send: Send, path: Path, start: int, end: int) -> None:
    """The bytes of a file from `start` up to but not including `end`, as the whole body of a response that has begun.

    Raises ClientDisconnect when nobody takes them.
    """
    with path.open("rb") as file:  # no thread: the caller has just looked whether it is there
        await scope["extensions"][EXTENSION].send(file, start, end - start)
    await send({"type": "http.response.body"})


class KernelSend:
    """Writes a file into the connection of one request."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def send(self, file: IO[bytes], offset: int, count: int) -> None:
        """See `send_file`."""
        await self._drain()
        with _own_descriptor(self._cycle.transport) as connection:
            end = offset + count
            while offset < end:
                offset += await self._send_some(connection, file, offset, min(MOST, end - offset))
        self._cycle.expected_content_length -= count

    async def _drain(self) -> None:
        """Until the head of the response has left this process. Raises ClientDisconnect."""
        if self._cycle.disconnected:
            raise ClientDisconnect
        transport = self._cycle.transport
        transport.set_write_buffer_limits(high=0)  # calls `pause_writing` if anything is left
        if self._cycle.flow.write_paused:
            await self._cycle.flow.drain()
        transport.set_write_buffer_limits()

    async def _send_some(self, connection: int, file: IO[bytes], offset: int, count: int) -> int:
        loop = asyncio.get_running_loop()
        if self._cycle.disconnected:
            raise ClientDisconnect
        try:
            sent = await loop.run_in_executor(_disk, os.sendfile, connection, file.fileno(), offset, count)
        except BlockingIOError:
            await self._writable(connection)
            return 0
        except OSError as error:
            raise self._gone() from error
        if sent == 0:
            raise OSError(f"{file.name} ends {count} bytes before it should")
        return sent

    async def _writable(self, connection: int) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(connection, ready.set)
        try:
            await asyncio.wait_for(ready.wait(), SILENT_SECONDS)
        except TimeoutError as error:
            raise self._gone() from error
        finally:
            loop.remove_writer(connection)

    def _gone(self) -> ClientDisconnect:
        """The rest cannot be sent, and nothing else may follow on this connection."""
        self._cycle.disconnected = True
        self._cycle.transport.abort()
        return ClientDisconnect()


@contextmanager
def _own_descriptor(transport: Any) -> Iterator[int]:
    """One that stays with this connection: the transport's own may be closed meanwhile and given to another one."""
    connection = os.dup(transport.get_extra_info("socket").fileno())
    try:
        yield connection
    finally:
        os.close(connection)
