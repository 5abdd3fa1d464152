"""Known weaknesses of packages, from a zip of records in the OSV format (one JSON file for each)."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def weaknesses(locked: Sequence[tuple[str, str]], export: Path) -> list[str]:
    """One line for each record that concerns a locked version. Raises OSError for a file that is no such zip."""
    versions = dict(locked)
    found: list[str] = []
    with zipfile.ZipFile(export) as records:
        for name in sorted(records.namelist()):
            record = json.loads(records.read(name))
            if "withdrawn" not in record:
                found += _concerned(record, versions)
    return found


def _concerned(record: dict[str, Any], versions: dict[str, str]) -> Iterator[str]:
    for affected in record.get("affected", []):
        package = affected.get("package", {})
        name = canonicalize_name(package.get("name", ""))
        version = versions.get(name)
        if version and package.get("ecosystem") == "PyPI" and _is_hit(affected, version):
            yield f"{name} {version}: {record['id']} {record.get('summary', '')}".rstrip()


def _is_hit(affected: dict[str, Any], version: str) -> bool:
    if version in affected.get("versions", []):
        return True
    ranges = [one["events"] for one in affected.get("ranges", []) if one.get("type") == "ECOSYSTEM"]
    return any(_is_within(events, Version(version)) for events in ranges)


def _is_within(events: Iterable[dict[str, str]], version: Version) -> bool:
    """The events are in the order of versions: the last one that is not later than `version` decides."""
    inside = False
    for event in events:
        kind, at = next(iter(event.items()))
        if kind == "last_affected":
            inside = inside and not version > _version(at)
        elif version >= _version(at):
            inside = kind == "introduced"
    return inside


def _version(text: str) -> Version:
    """`0` is before everything; what is no version is as well, so that a strange record is looked at."""
    try:
        return Version(text) if text != "0" else Version("0.dev0")
    except InvalidVersion:
        return Version("0.dev0")
