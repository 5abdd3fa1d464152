"""A process tree that is started, read, watched and killed as one thing."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

import psutil

from sheepfold.client.task import RenderLimits, StopFlag
from sheepfold.protocol.codes import ErrorKind

_PIECE_BYTES = _LINE_BYTES = 64 * 1024
_LOG_HEAD_LINES = 400
_LOG_TAIL_LINES = 4000
_LOOK_SECONDS = 0.2  # how long a stop or the end of a limit may go unnoticed
_MEASURE_SECONDS = 1.0
_MOST_PROCESSES = 64  # Blender itself is one; more than this is a program that forks without end
_FREE_MEMORY_KIB = 256 * 1024  # below this the machine of the owner begins to swap
_DYING_SECONDS = 3.0  # what the system may take to clear a killed process away
_BUSY_CPU_SECONDS = 0.5  # CPU use between two looks that counts as "still working"


class RenderStoppedError(Exception):
    """The tree has to end before it is done."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Log:
    """The first and the last lines of a program, so that a chatty one cannot fill the memory."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=_LOG_TAIL_LINES)
        self._dropped = 0

    def add(self, line: str) -> None:
        if len(self._head) < _LOG_HEAD_LINES:
            self._head.append(line)
            return
        self._dropped += len(self._tail) == _LOG_TAIL_LINES
        self._tail.append(line)

    def text(self) -> str:
        gap = [f"[{self._dropped} lines left out]"] if self._dropped else []
        return "\n".join([*self._head, *gap, *self._tail])


class ProcessTree:
    """One started program with all its children. A thread of its own reads its output from the first moment."""

    def __init__(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        priority: int = 0,
    ) -> None:
        """Start it. Raises OSError when it cannot be started."""
        self._process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(env),
            start_new_session=os.name == "posix",
        )
        self.peak_kib = 0
        self._pieces: queue.Queue[list[str] | None] = queue.Queue(maxsize=20_000)
        self._unheard: deque[str] = deque()
        _be_polite(self._process.pid, priority)
        Thread(target=self._read, args=(self._process.stdout,), name="blender-log", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def lines(self, limits: RenderLimits, stop: StopFlag) -> Iterator[str]:
        """Lines as they come, until the program ends or the caller leaves the loop.

        Raises RenderStoppedError when `stop` is set or a limit is passed; the caller kills the tree.
        """
        guard = _Guard(self, limits, stop)
        while True:
            line, ended = self._next_line()
            guard.look(heard=line is not None)
            if ended:
                return
            if line is not None:
                yield line

    def send(self, line: str) -> None:
        """Give the program one line. Raises OSError when it no longer listens."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def wait(self) -> int:
        """The exit code, after the program has closed its output."""
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End the whole tree now. Does nothing when it has ended."""
        members = self.members()
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
        self._process.wait()
        _wait_until_dead(members)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def members(self) -> list[psutil.Process]:
        """The program and everything that it started."""
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def measure(self) -> tuple[int, float, int]:
        """Resident memory in KiB, CPU seconds and number of processes of the tree."""
        memory, cpu, count = 0, 0.0, 0
        for member in self.members():
            with contextlib.suppress(psutil.Error):
                memory += member.memory_info().rss // 1024
                times = member.cpu_times()
                cpu += times.user + times.system
                count += 1
        self.peak_kib = max(self.peak_kib, memory)
        return memory, cpu, count

    def _next_line(self) -> tuple[str | None, bool]:
        if not self._unheard:
            try:
                piece = self._pieces.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                return None, False
            if piece is None:
                return None, True
            self._unheard.extend(piece)
        return self._unheard.popleft(), False

    def _read(self, stream: IO[bytes]) -> None:
        """Lines in pieces as they come: Blender writes dozens for a short frame, and each piece wakes a thread."""
        rest = b""
        with stream:
            while piece := os.read(stream.fileno(), _PIECE_BYTES):
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                if lines:
                    self._pieces.put([_text(line) for line in lines])
        if rest:
            self._pieces.put([_text(rest)])
        self._pieces.put(None)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


class _Guard:
    """Looks after the limits of one frame while its lines are read."""

    def __init__(self, tree: ProcessTree, limits: RenderLimits, stop: StopFlag) -> None:
        self._tree, self._limits, self._stop = tree, limits, stop
        self._started = self._alive = self._measured = time.monotonic()
        self._cpu = 0.0

    def look(self, heard: bool) -> None:
        now = time.monotonic()
        if self._stop.kind is not None:
            raise RenderStoppedError(self._stop.kind, "the frame was stopped")
        if heard:
            self._alive = now
        if self._limits.seconds is not None and now - self._started > self._limits.seconds:
            raise RenderStoppedError(
                ErrorKind.TIME_LIMIT,
                f"the frame took longer than {self._limits.seconds} s",
            )
        if now - self._measured >= _MEASURE_SECONDS:
            self._measured = now
            self._measure(now)

    def _measure(self, now: float) -> None:
        memory, cpu, count = self._tree.measure()
        if abs(cpu - self._cpu) > _BUSY_CPU_SECONDS:
            self._cpu, self._alive = cpu, now
        if count > _MOST_PROCESSES:
            raise RenderStoppedError(ErrorKind.EXECUTE_FAILED, f"the scene started {count} processes")
        if self._limits.memory_kib is not None and memory > self._limits.memory_kib:
            message = f"the frame needs {memory // 1024} MiB; {self._limits.memory_kib // 1024} MiB are allowed"
            raise RenderStoppedError(ErrorKind.OUT_OF_MEMORY, message)
        if psutil.virtual_memory().available // 1024 < _FREE_MEMORY_KIB:
            raise RenderStoppedError(ErrorKind.OUT_OF_MEMORY, "this machine has no free memory left")
        if now - self._alive > self._limits.silent_seconds:
            message = f"Blender hangs: no word and no work for {self._limits.silent_seconds} s"
            raise RenderStoppedError(ErrorKind.TIME_LIMIT, message)


def _wait_until_dead(members: list[psutil.Process]) -> None:
    """Until none runs. Some stay in the system's table for seconds, until its first process clears them away."""
    until = time.monotonic() + _DYING_SECONDS
    while any(_runs(member) for member in members) and time.monotonic() < until:
        time.sleep(0.005)


def _runs(member: psutil.Process) -> bool:
    try:
        return bool(member.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _be_polite(pid: int, priority: int) -> None:
    """Give way to the owner's programs. A system that refuses leaves the priority as it is."""
    with contextlib.suppress(psutil.Error):
        if sys.platform == "win32":
            psutil.Process(pid).nice(_windows_class(priority))
        else:
            psutil.Process(pid).nice(priority)


def _windows_class(priority: int) -> int:
    """A `nice` number as one of Windows' priority classes."""
    steps = ((15, "IDLE"), (5, "BELOW_NORMAL"), (-3, "NORMAL"), (-9, "ABOVE_NORMAL"))
    name = next((name for floor, name in steps if priority >= floor), "HIGH")
    return int(getattr(psutil, f"{name}_PRIORITY_CLASS"))
