"""A real file system that has no room left: a small one in memory, or where none may be mounted, a limit for files."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.running import wait_until

ROOMY = 2 << 20  # KiB; memory is taken only for what is written
SPARE = 8  # KiB that are free when it is full: not even a page of a database is sure to fit twice


@dataclass(frozen=True)
class Disk:
    """A folder. `mounted`: it is a file system of its own. `family`: the processes that write there."""

    folder: Path
    mounted: bool
    family: Callable[[], list[psutil.Process]]

    def stay_full(self, until: Callable[[], bool], what: str) -> None:
        """There is no room, nor does any become free, until it is so."""

        def is_so() -> bool:
            self.fill()
            return until()

        wait_until(is_so, what)

    def fill(self) -> None:
        """Leave no room. What its user deletes afterwards becomes free."""
        if self.mounted:
            wait_until(lambda: self._resize(self._used() + SPARE), "the disk is made as small as what is on it")
        else:
            self._limit(1)

    def make_room(self) -> None:
        """There is room again."""
        if self.mounted:
            self._resize(ROOMY)
        else:
            self._limit(resource.RLIM_INFINITY)

    def _used(self) -> int:
        facts = os.statvfs(self.folder)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize // 1024

    def _resize(self, kib: int) -> bool:
        """False if somebody has just written more than that."""
        command = ["mount", "-o", f"remount,size={kib}k", str(self.folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def _limit(self, size: int) -> None:
        for process in self.family():
            with suppress(ProcessLookupError):  # it has just ended
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, family: Callable[[], list[psutil.Process]]) -> Iterator[Disk]:
    """A file system at the folder while the body runs; what lies in the folder is hidden then."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOMY}k,mode=755", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        yield Disk(folder, mounted=False, family=family)
        return
    try:
        yield Disk(folder, mounted=True, family=family)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path, family: Callable[[], list[psutil.Process]]) -> Iterator[bool]:
    """Nobody can write to files of the folder while the body runs. True: that is so for who opens them meanwhile."""
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True).returncode != 0:
        disk = Disk(folder, mounted=False, family=family)
        disk.fill()
        yield False
        disk.make_room()
        return
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
