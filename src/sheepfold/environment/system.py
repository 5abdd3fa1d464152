"""Programs from the system's packages: which are missing, and installing them where that is allowed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

POSTGRESQL_ROOT = Path("/usr/lib/postgresql")  # Debian keeps each version's programs apart from PATH


@dataclass(frozen=True)
class Program:
    """A program and where it comes from. Any one of `names` will do."""

    names: tuple[str, ...]
    package: str
    purpose: str


BLENDER = Program(("blender",), "blender", "renders on this machine")
POSTGRESQL = Program(("initdb",), "postgresql", "tests and farms of more than one server")
CHROMIUM = Program(("chromium", "chromium-browser", "google-chrome"), "chromium", "tests of the site")
BUBBLEWRAP = Program(("bwrap",), "bubblewrap", "cage around Blender")


class CannotInstall(Exception):
    """A program is missing and this process may not install it. The text says what to do."""


class CannotStart(Exception):
    """A program is there and does not start. The text is what it said."""


def find(program: Program) -> Path | None:
    """Where the program is, or None."""
    for name in program.names:
        if found := shutil.which(name):
            return Path(found)
    return _newest_postgresql(program.names[0]) if program is POSTGRESQL else None


def ensure(programs: Iterable[Program]) -> None:
    """Install what is missing. At once when all is there. Raises CannotInstall."""
    missing = [program for program in programs if find(program) is None]
    if missing:
        install_packages([program.package for program in missing])


def install_packages(packages: list[str]) -> None:
    """Install with apt as root or through sudo without a password. Raises CannotInstall."""
    wanted = " ".join(packages)
    prefix = _right_to_install(wanted)
    print(f"sheepfold: installing {wanted}", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [*prefix, "apt-get", "-qq", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode:
        raise CannotInstall(f"apt-get install {wanted} failed:\n{done.stdout.strip()}")


def _right_to_install(wanted: str) -> list[str]:
    if shutil.which("apt-get") is None:
        raise CannotInstall(f"missing: {wanted}. Install it with this system's package manager and try again.")
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and not subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode:
        return ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"]
    raise CannotInstall(f"missing: {wanted}. Run this and try again: sudo apt-get install {wanted}")


def _newest_postgresql(name: str) -> Path | None:
    found = POSTGRESQL_ROOT.glob(f"*/bin/{name}")
    return max(found, key=lambda path: float(path.parts[-3]), default=None)
