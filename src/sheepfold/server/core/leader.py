"""One process among many leads: it alone runs the timers. If it dies, its lock goes with it and another one leads."""

import fcntl
from pathlib import Path
from typing import IO

from django.db import connection

ADVISORY_LOCK = 0x5EE9F01D  # any number that nothing else in the database locks


class Leadership:
    """Asked again and again by one thread. On PostgreSQL a session lock of its connection, on SQLite a locked file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "timers.lock"
        self._file: IO[bytes] | None = None
        self._backend: object = None  # the connection that holds the lock

    def leads(self) -> bool:
        """Whether this process leads now."""
        if connection.vendor == "postgresql":
            return self._leads_by_session()
        return self._leads_by_file()

    def _leads_by_session(self) -> bool:
        connection.ensure_connection()
        if self._backend is not None and self._backend is connection.connection:
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
            row = cursor.fetchone()
        if row is None or not row[0]:
            return False
        self._backend = connection.connection
        return True

    def _leads_by_file(self) -> bool:
        if self._file is not None:
            return True
        file = self._path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True
