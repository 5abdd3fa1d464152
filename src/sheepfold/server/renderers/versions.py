"""Which Blender renders a scene. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

Version = tuple[int, ...]  # (4, 2, 1); the last number may be unknown: (4, 2)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A renderer that the farm has."""

    id: int
    version: Version
    is_default: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The renderer of a scene; None: the farm has none. `note` tells its owner what differs, or is empty."""

    renderer_id: int | None
    note: str = ""


def parse_version(text: str) -> Version:
    """`4.2.1 LTS` → (4, 2, 1). Raises ValueError."""
    match = re.match(r"\s*(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        raise ValueError(f"`{text}` is no Blender version")
    return tuple(int(part) for part in match.groups() if part is not None)


def format_version(version: Version) -> str:
    """(4, 2, 1) → `4.2.1`."""
    return ".".join(str(part) for part in version)


def choose(wanted: Version, candidates: Iterable[Candidate]) -> Choice:
    """Exact, else the nearest newer of the same release series, else the newest older of it, else the default.

    An older Blender loses what it does not know in a newer file, so an older default gives way to a newer renderer.
    """
    ranked = sorted(candidates, key=lambda one: one.version)
    if not ranked:
        return Choice(None, "the farm has no Blender yet; an admin adds one with `sheepfold renderer add`")
    series = [one for one in ranked if one.version[:2] == wanted[:2]]
    best = _nearest(wanted, series) if series else _fallback(wanted, ranked)
    return Choice(best.id, _note(wanted, best.version))


def _nearest(wanted: Version, series: list[Candidate]) -> Candidate:
    if len(wanted) == 2:
        return series[-1]
    return next((one for one in series if one.version >= wanted), series[-1])


def _fallback(wanted: Version, ranked: list[Candidate]) -> Candidate:
    default = next((one for one in ranked if one.is_default), ranked[-1])
    if default.version > wanted:
        return default
    return next((one for one in ranked if one.version > wanted), default)


def _note(wanted: Version, chosen: Version) -> str:
    if chosen[: len(wanted)] == wanted:
        return ""
    saved, used = format_version(wanted), format_version(chosen)
    if chosen[:2] == wanted[:2]:
        return f"saved with Blender {saved}, rendered with {used} of the same series"
    if chosen > wanted:
        return f"saved with Blender {saved}, rendered with {used}: look at the first frames before you go on"
    return (
        f"saved with Blender {saved}, but the newest on this farm is {used}, which may not understand all of it: "
        "look at the first frames, or ask an admin to add the right one"
    )
