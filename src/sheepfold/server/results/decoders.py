"""Processes that decode what strangers call an image, with bounded memory and time.

Decoders are large C libraries: a file made for it can crash one, or keep it busy for ever. Then that process dies, and
whatever was decoded beside it is decoded again, each file alone, so that only the one that was made for it is refused.
"""

import asyncio
import multiprocessing
import resource
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import structlog

from sheepfold.server.results.checks import Inspected, NotAnImage, inspect

log = structlog.get_logger()

PROCESSES = 2  # decoding a frame takes 12 ms, forty times a claim
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
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _bounded, path, most_pixels)
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = self._start(PROCESSES)
            pool.shutdown(wait=False)
        async with self._one_at_a_time:
            return await self._alone(path, most_pixels)

    async def _alone(self, path: Path, most_pixels: int) -> Inspected:
        pool = self._start(1)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _bounded, path, most_pixels)
        except BrokenProcessPool:
            log.warning("an image ended the process that decoded it")
            return NotAnImage("the program that decodes it does not survive it")
        finally:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """Finish what is being decoded."""
        self._pool.shutdown()

    def _start(self, processes: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(processes, context, initializer=_bound, initargs=self._limits)


_cpu_seconds = CPU_SECONDS  # in a decoding process: for each file


def _bound(memory: int, cpu_seconds: float) -> None:
    global _cpu_seconds
    _cpu_seconds = cpu_seconds
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bounded(path: Path, most_pixels: int) -> Inspected:
    """Ends this process by SIGPROF where decoding takes too long: no exception would come through a C library."""
    signal.setitimer(signal.ITIMER_PROF, _cpu_seconds)
    try:
        return inspect(path, most_pixels)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
