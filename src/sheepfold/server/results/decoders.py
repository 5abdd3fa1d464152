"""Processes that decode what strangers call an image, with bounded memory and time.

Decoders are large C libraries: a file made for it can crash one, or keep it busy for ever. Then that process dies, and
whatever was decoded beside it is decoded again, each file alone, so that only the one that was made for it is refused.
"""

import asyncio
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import structlog

from sheepfold.server.core.storage import DiskStorage
from sheepfold.server.results.checks import Inspected, NotAnImage, inspect
from sheepfold.server.results.comparison import Difference, compare_files
from sheepfold.server.results.keeping import Taken, take_in

log = structlog.get_logger()

Outcome = TypeVar("Outcome")

PROCESSES = 4  # decoding a frame takes 12 ms, forty times a claim
MEMORY = 6 << 30  # bytes of address space; 16,384 x 16,384 pixels of four bytes and their copy take 2 GiB
CPU_SECONDS = 120.0  # for one file; the largest that the farm takes needs ten


class Decoders:
    """Made when a process begins to serve, closed when it stops."""

    def __init__(self, *, memory: int = MEMORY, cpu_seconds: float = CPU_SECONDS) -> None:
        self._limits = (memory, cpu_seconds)
        self._pool = self._start(PROCESSES)
        self._one_at_a_time = asyncio.Lock()

    async def inspect(self, path: Path, most_pixels: int) -> Inspected:
        """What the file is; see `checks.inspect`."""
        return await self._run(inspect, path, most_pixels)

    async def take(self, path: Path, most_pixels: int, target: DiskStorage) -> Taken:
        """The same and keep it; see `keeping.take_in`. In this process a thread would do that, and each of
        its calls to the system would let the event loop wait for Python's lock."""
        return await self._run(take_in, path, most_pixels, target)

    async def _run(self, work: Callable[..., Outcome], *arguments: object) -> Outcome | NotAnImage:
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _bounded, work, *arguments)
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._start(PROCESSES)
            pool.shutdown(wait=False)
        async with self._one_at_a_time:
            return await self._alone(work, *arguments)

    async def _alone(self, work: Callable[..., Outcome], *arguments: object) -> Outcome | NotAnImage:
        pool = self._start(1)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _bounded, work, *arguments)
        except BrokenProcessPool:
            log.warning("an image ended the process that decoded it")
            return NotAnImage("the program that decodes it does not survive it")
        finally:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """Finish what is being decoded."""
        self._pool.shutdown()

    def _start(self, processes: int) -> ProcessPoolExecutor:
        return _start(processes, *self._limits)


class Incomparable(Exception):
    """Two images that the farm took cannot be read together within the bounds."""


class Comparer:
    """The same for pairs, one after the other, and for callers without an event loop."""

    def __init__(self, *, memory: int = MEMORY, cpu_seconds: float = CPU_SECONDS) -> None:
        self._limits = (memory, cpu_seconds)
        self._pool: ProcessPoolExecutor | None = None
        self._one_at_a_time = threading.Lock()

    def compare(self, one: Path, other: Path) -> Difference:
        """See `comparison.compare_files`. Raises Incomparable."""
        with self._one_at_a_time:
            self._pool = self._pool or _start(1, *self._limits)
            try:
                return self._pool.submit(_bounded, compare_files, one, other).result()
            except BrokenProcessPool as error:
                self._pool = None
                raise Incomparable("the program that compares them does not survive it") from error
            except (OSError, ValueError, SyntaxError, MemoryError) as error:
                raise Incomparable(str(error)) from error


def _start(processes: int, memory: int, cpu_seconds: float) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(processes, context, initializer=_bound, initargs=(memory, cpu_seconds))


_cpu_seconds = CPU_SECONDS  # in a decoding process: for each file


def _bound(memory: int, cpu_seconds: float) -> None:
    global _cpu_seconds
    _cpu_seconds = cpu_seconds
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_the_server() -> None:
    """Each decoder holds the pipes by which the others would notice that the server was killed: all watch it."""
    server = multiprocessing.parent_process()
    if server is not None:
        wait([server.sentinel])
        os._exit(1)


def _bounded(work: Callable[..., Outcome], *arguments: object) -> Outcome:
    """Ends this process by SIGPROF where decoding takes too long: no exception would come through a C library."""
    signal.setitimer(signal.ITIMER_PROF, _cpu_seconds)
    try:
        return work(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
