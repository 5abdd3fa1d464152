"""Keeps processes running: starts them, starts them again when they die, ends them together."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from sheepfold.server.core.config import config

log = structlog.get_logger()

FIRST_WAIT = 1.0  # seconds before a process that died is started again, doubled each time
LONGEST_WAIT = 60.0
HEALTHY_SECONDS = 60.0  # one that ran so long starts again after the first wait
END_SECONDS = 20.0  # from the request to end until it is killed, besides what draining takes


@dataclass
class Supervised:
    """One process that shall always run. It gets a pipe as standard input, closed when its parent dies."""

    name: str
    command: Sequence[str]
    descriptors: Sequence[int] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def keep_running(self, ending: threading.Event) -> None:
        """Start the process again whenever it ends, until `ending` is set."""
        wait = FIRST_WAIT
        while (process := self._process) is not None:
            since = time.monotonic()
            status = process.wait()
            if ending.is_set():
                break
            wait = FIRST_WAIT if time.monotonic() - since > HEALTHY_SECONDS else wait
            log.error("process ended", process=self.name, status=status, starts_again_in=wait)
            ending.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            if not self.start(ending):
                break

    def end(self) -> None:
        """Ask it to end and wait; kill it if it does not."""
        with self._lock:
            process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS + config().drain_seconds)
        except subprocess.TimeoutExpired:
            log.warning("process killed", process=self.name)
            process.kill()
            process.wait()

    def start(self, ending: threading.Event) -> bool:
        """Start the process. False if the end was asked for meanwhile."""
        with self._lock:
            if ending.is_set():
                return False
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                pass_fds=self.descriptors,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its children in order
            )
            return True


@contextlib.contextmanager
def supervise(processes: Sequence[Supervised]) -> Iterator[None]:
    """Run the processes while the body runs; end them all afterwards."""
    ending = threading.Event()
    for one in processes:
        one.start(ending)
    threads = [threading.Thread(target=one.keep_running, args=(ending,), daemon=True) for one in processes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        enders = [threading.Thread(target=one.end) for one in processes]
        for ender in enders:
            ender.start()
        for thread in [*enders, *threads]:
            thread.join()


@contextlib.contextmanager
def end_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, while the body runs."""
    wanted = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: wanted.set()) for number in numbers}
    try:
        yield wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
