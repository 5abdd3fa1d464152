"""At most one process at a time does a thing. The right to do it ends with the process."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from sheepfold.server.core.config import config


@contextmanager
def exclusively(name: str) -> Iterator[bool]:
    """Whether it is this caller who may do the thing of that name now: among all processes of the farm."""
    if connection.vendor == "postgresql":
        with _by_session(name) as mine:
            yield mine
    else:
        with _by_file(config().data_dir / "locks" / name) as mine:
            yield mine


@contextmanager
def _by_session(name: str) -> Iterator[bool]:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


@contextmanager
def _by_file(path: Path) -> Iterator[bool]:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
