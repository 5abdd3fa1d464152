"""What must hold of requirements.lock: exact, hashed, in step with pyproject.toml, installed as it says, free licences.

With SHEEPFOLD_ADVISORIES=FILE.zip, an export of known weaknesses in the OSV format, no locked version may be among
them. Without it nothing of the kind is looked up: no network is needed to check a commit (ADR 17).
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from advisories import weaknesses

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?")
HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}(?: \\)?")
NOTE = re.compile(r" {4}# .*")

# Licences that the GPL, version 3, can take in (or that their package offers to choose from), as packages write them.
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|GPL|GNU|Zope|ZPL|HPND|0BSD|Unlicense"
    r"|CC0|Public Domain|AFL|WTFPL",
    re.IGNORECASE,
)
UNNAMED = frozenset({"huey"})  # MIT, says the file LICENSE of its source; its metadata say nothing


@dataclass(frozen=True)
class Pin:
    """One locked package, how many hashes it has, and where it is installed."""

    name: str
    version: str
    marker: str
    hashes: int = 0

    def applies(self) -> bool:
        """Whether it belongs on this machine."""
        return not self.marker or Marker(self.marker).evaluate()


def main() -> int:
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins, problems = read(lock)
    problems += [*unlocked(pins, project), *wrongly_installed(pins, distributions()), *unfree(distributions())]
    export = os.environ.get("SHEEPFOLD_ADVISORIES")
    if export:
        problems += weaknesses([(pin.name, pin.version) for pin in pins], Path(export))
    print("\n".join(problems) or f"{len(pins)} packages, no problem{'' if export else '; no advisories to look into'}")
    return len(problems)


def read(lock: str) -> tuple[list[Pin], list[str]]:
    """The pins, and each line that is neither a pin, a hash nor a note."""
    pins: list[Pin] = []
    problems: list[str] = []
    for number, line in enumerate(lock.splitlines(), 1):
        if found := PIN.fullmatch(line):
            pins.append(Pin(found["name"], found["version"], found["marker"] or ""))
        elif HASH.fullmatch(line) and pins:
            last = pins[-1]
            pins[-1] = Pin(last.name, last.version, last.marker, last.hashes + 1)
        elif not NOTE.fullmatch(line):
            problems.append(f"requirements.lock:{number}: not an exact version, a SHA-256 or a note: {line.strip()}")
    return pins, problems + [f"{pin.name} has no hash" for pin in pins if pin.hashes == 0]


def unlocked(pins: Iterable[Pin], project: dict[str, object]) -> Iterator[str]:
    """What pyproject.toml asks for and the lock does not have."""
    versions = {pin.name: pin.version for pin in pins}
    optional = project["optional-dependencies"]
    for text in [*project["dependencies"], *(one for group in optional.values() for one in group)]:  # type: ignore
        wanted = Requirement(text)
        version = versions.get(canonicalize_name(wanted.name))
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            yield f"pyproject.toml asks for {text}, the lock has {version}"


def wrongly_installed(pins: Iterable[Pin], found: Iterable[Distribution]) -> Iterator[str]:
    """Where the environment differs from the lock. What an earlier lock has left there does no harm."""
    wanted = {pin.name: pin.version for pin in pins if pin.applies()}
    there = {canonicalize_name(one.name): one.version for one in found}
    for name, version in wanted.items():
        if version != there.get(name):
            yield f"{name}: the lock says {version}, installed is {there.get(name)}"


def unfree(found: Iterable[Distribution]) -> Iterator[str]:
    """Packages whose licence is none of FREE, or that name none."""
    for one in found:
        if one.name in UNNAMED:
            continue
        words = [one.metadata.get("License-Expression", ""), one.metadata.get("License", "")[:200]]
        words += [word for word in one.metadata.get_all("Classifier") or [] if word.startswith("License")]
        if not any(FREE.search(word) for word in words):
            yield f"{one.name}: licence {' '.join(words).strip() or 'unknown'}"


if __name__ == "__main__":
    sys.exit(main())
