"""A copy of the whole farm in one folder, taken while it runs, and the way back.

The database is copied in one moment, then every file that it names; so each file of the copied database is there.
Unfinished uploads and the queue of jobs are left out: people go on with the first, the farm finds the second again.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import connection

import sheepfold
from sheepfold.server.core import durable
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import BadInput, Conflict, NotFound, Unavailable
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store, temporary_path

DUMPS = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
SECRET = "secret"  # noqa: S105  the name of a file
FACTS = "backup.json"


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What a backup says of itself. It is written last: a folder without it is no backup yet."""

    engine: str
    version: str
    taken_at: str
    files: int


def back_up(target: Path) -> BackupFacts:
    """Copy the farm into a folder, which may hold an earlier backup: files that are there are not copied again."""
    target.mkdir(parents=True, exist_ok=True)
    (target / FACTS).unlink(missing_ok=True)
    taken_at = now().isoformat()
    named = set(Blob.objects.values_list("pk", flat=True))
    _dump_database(target / DUMPS[connection.vendor])
    named |= set(Blob.objects.values_list("pk", flat=True))  # both before and after: the moment lies between
    files = sum(_copy_out(sha256, target) for sha256 in sorted(named))
    _copy_secret(config().data_dir / SECRET, target / SECRET)
    facts = BackupFacts(connection.vendor, sheepfold.__version__, taken_at, files)
    draft = target / f"{FACTS}.draft"
    draft.write_text(json.dumps(asdict(facts), indent=2))
    durable.move(draft, target / FACTS)
    return facts


def restore(source: Path) -> BackupFacts:
    """Make the farm of this process from a backup; the database comes last, so it may be tried again.

    Raises BadInput for what is no backup, Conflict if there is a farm already.
    """
    facts = _read_facts(source)
    _check_empty()
    for path in _stored(source):
        _copy_in(path)
    _copy_secret(source / SECRET, config().data_dir / SECRET)
    _load_database(source / DUMPS[facts.engine])
    return facts


def _read_facts(source: Path) -> BackupFacts:
    try:
        facts = BackupFacts(**json.loads((source / FACTS).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{source} holds no finished backup ({error})") from error
    if facts.engine != connection.vendor:
        raise BadInput(f"the backup is of {facts.engine}, this farm is set to {connection.vendor}")
    return facts


def _check_empty() -> None:
    path = Path(str(connection.settings_dict["NAME"]))
    there = path.exists() if connection.vendor == "sqlite" else bool(connection.introspection.table_names())
    if there:
        raise Conflict("there is a farm already; restore into an empty data folder or database")


def _dump_database(target: Path) -> None:
    draft = target.with_name(f"{target.name}.draft")
    draft.unlink(missing_ok=True)
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as live,
            closing(sqlite3.connect(draft)) as copy,
        ):
            live.backup(copy)
    else:
        _postgresql("pg_dump", "--format=custom", "--no-owner", f"--file={draft}")
    durable.move(draft, target)


def _load_database(source: Path) -> None:
    if connection.vendor == "sqlite":
        target = Path(str(connection.settings_dict["NAME"]))
        draft = target.with_name(f"{target.name}.draft")
        shutil.copyfile(source, draft)
        durable.move(draft, target)
    else:
        _postgresql("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname=", str(source))


def _postgresql(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; the password travels in its environment, where nobody else sees it."""
    database = connection.settings_dict
    names = {"PGDATABASE": "NAME", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGHOST": "HOST", "PGPORT": "PORT"}
    given = {variable: str(database[name]) for variable, name in names.items() if database[name]}
    words = [word + given["PGDATABASE"] if word == "--dbname=" else word for word in arguments]
    try:
        done = subprocess.run([program, *words], env=os.environ | given, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unavailable(f"{program} is missing; install postgresql-client") from error
    if done.returncode:
        raise Unavailable(f"{program} failed: {done.stderr.strip()}")


def _copy_out(sha256: str, target: Path) -> bool:
    """Whether the file is in the backup now. One that went meanwhile was not needed any more."""
    place = target / "blobs" / sha256[:2] / sha256[2:]
    if place.exists():
        return True
    draft = target / "blobs" / f"{sha256}.draft"
    draft.parent.mkdir(exist_ok=True)
    try:
        with store().local(sha256) as path:
            shutil.copyfile(path, draft)
    except NotFound:
        return False
    durable.move(draft, place)
    return True


def _stored(source: Path) -> Iterator[Path]:
    return (path for path in sorted(source.glob("blobs/??/*")) if path.is_file())


def _copy_in(path: Path) -> None:
    """Raises BadInput for a file that is not what its name says."""
    name = path.parent.name + path.name
    with temporary_path() as copy:
        shutil.copyfile(path, copy)
        if store().keep(copy, "application/octet-stream").sha256 != name:
            raise BadInput(f"the file {name} of the backup is damaged; take it from another one")


def _copy_secret(source: Path, target: Path) -> None:
    """A farm whose secret is a setting has no such file."""
    if source.exists():
        target.touch(mode=0o600)
        target.write_bytes(source.read_bytes())
