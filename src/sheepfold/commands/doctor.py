"""`sheepfold doctor`: what this machine has, what it lacks, and how to get it."""

import importlib.util
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from sheepfold.commands.local import data_dir_option, data_folder
from sheepfold.commands.show import Column, as_json_option, print_rows
from sheepfold.environment.system import BLENDER, BUBBLEWRAP, CHROMIUM, POSTGRESQL, Program, find
from sheepfold.server.core.local_access import read_local_access

PROGRAMS = (BLENDER, BUBBLEWRAP, POSTGRESQL, CHROMIUM)
NEEDED = frozenset({"blender"})
GIB = 1 << 30
LITTLE_SPACE = 5 * GIB
OLDEST_SQLITE = (3, 35, 0)  # the first that can answer a change with the rows it changed


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `advice` is empty if it is well."""

    what: str
    state: str
    advice: str = ""
    serious: bool = False


COLUMNS = (
    Column("", lambda row: ("✗" if row["serious"] else "!") if row["advice"] else "✓"),
    Column("what", lambda row: row["what"]),
    Column("found", lambda row: row["state"]),
    Column("what to do", lambda row: row["advice"]),
)


@click.command()
@as_json_option
@data_dir_option
def doctor(as_json: bool, data_dir: Path | None) -> None:
    """Say what this machine lacks and how to get it. Status 1 if rendering here is not possible."""
    findings = list(examine(data_folder(data_dir)))
    print_rows([asdict(finding) for finding in findings], COLUMNS, as_json=as_json, nothing="")
    sys.exit(any(finding.serious for finding in findings))


def examine(folder: Path) -> Iterator[Finding]:
    """Look at everything that has ever been the reason why something did not work."""
    yield Finding("Python", ".".join(map(str, sys.version_info[:3])))
    yield _sqlite()
    for program in PROGRAMS:
        yield _program(program)
    yield _cage()
    yield _space(folder)
    yield _farm(folder)


def _sqlite() -> Finding:
    old = sqlite3.sqlite_version_info < OLDEST_SQLITE
    advice = "update Python or SQLite; 3.35 is the oldest that works" if old else ""
    return Finding("SQLite", sqlite3.sqlite_version, advice, serious=old)


def _program(program: Program) -> Finding:
    name, place = program.package, find(program)
    if place is not None:
        return Finding(name, f"{place} ({program.purpose})")
    if program is BLENDER and importlib.util.find_spec("bpy") is not None:
        return Finding(name, "as the Python module bpy")
    return Finding(name, "missing", f"sudo apt-get install {name} ({program.purpose})", name in NEEDED)


def _cage() -> Finding:
    """Bubblewrap may be installed and still not be allowed to make namespaces, in containers above all."""
    bwrap = find(BUBBLEWRAP)
    if bwrap is None:
        return Finding("cage", "without bubblewrap", "install bubblewrap; until then the client uses a weaker one")
    attempt = subprocess.run([bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True)
    if attempt.returncode == 0:
        return Finding("cage", "bubblewrap works")
    return Finding("cage", "bubblewrap may not run here", "allow user namespaces; the client uses a weaker one")


def _space(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    advice = "make room: scenes and frames are kept there" if free < LITTLE_SPACE else ""
    return Finding("disk", f"{free / GIB:.0f} GiB free for {folder}", advice)


def _farm(folder: Path) -> Finding:
    access = read_local_access(folder)
    if access is None:
        return Finding("farm", f"none in {folder}", "only if this machine shall be a server: sheepfold serve")
    return Finding("farm", f"{access.url} from {folder}")
