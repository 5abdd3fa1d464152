"""A PostgreSQL server for a while: its own folder, a socket instead of a port, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sheepfold.environment.system import POSTGRESQL, CannotInstall, CannotStart, find

OPTIONS = ("max_connections=200", "listen_addresses=")
# For tests: nobody needs their data after a crash, and without the waits for the disk they run twice as fast.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True)
class PostgresServer:
    """A server and its folder. It may be killed and started again."""

    folder: Path
    options: Sequence[str]

    @property
    def url(self) -> str:
        """Of the database `sheepfold`."""
        return f"postgresql://sheepfold@{quote(str(self.folder), safe='')}/sheepfold"

    def create(self) -> None:
        """Make the folder's contents. Raises CannotInstall, CannotStart."""
        user = _unprivileged_user()
        if user:
            shutil.chown(self.folder, user)
        _run(user, _programs() / "initdb", "-D", self._data, "-U", "sheepfold", "-A", "trust", "-E", "UTF8", "-N")

    def make_database(self) -> None:
        """The one that `url` names. The server must run."""
        _run(_unprivileged_user(), _programs() / "createdb", "-h", self.folder, "-U", "sheepfold", "sheepfold")

    def start(self) -> None:
        """Returns when it takes connections, after a kill with what was committed before."""
        words = " ".join(f"-c {option}" for option in (*OPTIONS, *self.options))
        self._control("-l", self.folder / "log", "-o", f"{words} -k {self.folder}", "start")

    def stop(self) -> None:
        """End it without saving anything."""
        self._control("-m", "immediate", "stop")

    def process_id(self) -> int:
        """Of the parent of all its processes."""
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _control(self, *words: str | Path) -> None:
        _run(_unprivileged_user(), _programs() / "pg_ctl", "-D", self._data, "-w", *words)


@contextmanager
def temporary_postgres(options: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a running server with an empty database `sheepfold`. Raises CannotInstall, CannotStart."""
    folder = Path(tempfile.mkdtemp(prefix="sheepfold-postgres-"))
    try:
        server = PostgresServer(folder, options)
        server.create()
        server.start()
        try:
            server.make_database()
            yield server.url
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    found = find(POSTGRESQL)
    if found is None:
        raise CannotInstall("initdb is missing: install postgresql")
    return found.resolve().parent


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root. Its package makes a user for it."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


def _run(user: str | None, *command: str | Path) -> None:
    # Output goes to a file, not a pipe: the server inherits it and would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(part) for part in command],
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        output.seek(0)
        if done.returncode:
            raise CannotStart(f"{command[0]} failed:\n{output.read().decode(errors='replace')}")
