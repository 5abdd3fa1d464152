"""A PostgreSQL server for a while: its own folder, a socket instead of a port, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sheepfold.environment.system import POSTGRESQL, CannotInstall, CannotStart, find

OPTIONS = ("max_connections=200", "listen_addresses=")
# For tests: nobody needs their data after a crash, and without the waits for the disk they run twice as fast.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def temporary_postgres(options: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a running server with an empty database `sheepfold`. Raises CannotInstall, CannotStart."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="sheepfold-postgres-"))
    user = _unprivileged_user()
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    try:
        _run(user, programs / "initdb", "-D", data, "-U", "sheepfold", "-A", "trust", "-E", "UTF8", "-N")
        words = " ".join(f"-c {option}" for option in (*OPTIONS, *options))
        control = (programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log")
        _run(user, *control, "-o", f"{words} -k {folder}", "start")
        try:
            _run(user, programs / "createdb", "-h", folder, "-U", "sheepfold", "sheepfold")
            yield f"postgresql://sheepfold@{quote(str(folder), safe='')}/sheepfold"
        finally:
            _run(user, *control, "-m", "immediate", "stop")
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
