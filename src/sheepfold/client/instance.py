"""One client for each cache folder: two would fetch and delete the same files. The folder has a name for the farm."""

import hashlib
import os
import re
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SEED = re.compile(r"[0-9a-f]{32}")


class AlreadyRunningError(Exception):
    """Another client uses the folder. The text says what to do."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The system frees it when the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise AlreadyRunningError(
                f"another client uses {folder}: give this one its own folder with --cache-dir"
            ) from error
        yield


def instance_name(folder: Path) -> str:
    """The same at each start from this folder on this machine, so that the farm knows what an earlier run held.

    A copy of the folder on another machine has another name: the two must not end each other's sessions.
    """
    file = folder / "instance"
    seed = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
    if not _SEED.fullmatch(seed):
        seed = uuid.uuid4().hex
        file.write_text(f"{seed}\n", encoding="utf-8")
    here = "\0".join((seed, socket.gethostname(), str(uuid.getnode())))
    return hashlib.sha256(here.encode()).hexdigest()[:32]


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
