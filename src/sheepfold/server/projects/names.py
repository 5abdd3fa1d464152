"""Names inside an archive: which of them every system that renders can unpack. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from sheepfold.server.core.errors import BadInput

MAX_PATH = 200  # characters: Windows knows 260, and clients put their own folder before it
MAX_DEPTH = 30  # folders in folders
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))})
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
JUNK_FOLDERS = frozenset({"__MACOSX", ".git", ".svn", "__pycache__"})
JUNK_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
BACKUP = re.compile(r"\.blend(\d+|@)$", re.IGNORECASE)  # scene.blend1: Blender's own backups


class BadArchive(BadInput):
    """The upload cannot be used. The message is for its owner: what is wrong and what to do."""


def clean_path(name: str) -> str:
    """The path with `/` between folders, without `.` and doubled `/`.

    Raises BadArchive if it leads out of the archive, or if Windows, macOS or Linux could not unpack it.
    """
    path = name.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise BadArchive(f"`{name}` in the archive is an absolute path; pack the folder of the scene again")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts:
        raise BadArchive(f"the archive has an entry with no name (`{name}`); pack the folder of the scene again")
    if ".." in parts:
        raise BadArchive(f"`{name}` in the archive leads out of it (`..`); pack the folder of the scene again")
    if len(path) > MAX_PATH or len(parts) > MAX_DEPTH:
        raise BadArchive(
            f"`{name[:60]}…` in the archive is too long: at most {MAX_PATH} characters and {MAX_DEPTH} folders deep"
        )
    for part in parts:
        _check_part(part, name)
    return "/".join(parts)


def safe_name(name: str) -> str:
    """A file name that every system can have, as near to `name` as that allows."""
    clean = FORBIDDEN.sub("_", name.replace("\\", "/").rpartition("/")[2]).rstrip(". ")[-MAX_PATH:]
    return f"_{clean}" if clean.split(".")[0].lower() in DEVICES or not clean else clean


def check_together(files: Iterable[str]) -> None:
    """Raise BadArchive if two names would be one file on Windows or macOS, or one is a file and a folder at once."""
    seen: dict[str, str] = {}
    for path in files:
        key = folded(path)
        if key in seen:
            raise BadArchive(_clash(seen[key], path))
        seen[key] = path
    for path in seen.values():
        for parent in PurePosixPath(path).parents:
            if folded(str(parent)) in seen:
                raise BadArchive(f"`{parent}` in the archive is both a file and a folder; pack it again")


def folded(path: str) -> str:
    """Equal for names that are one file where capitals and ways to write accents do not count."""
    return unicodedata.normalize("NFC", path).casefold()


def is_junk(path: str) -> bool:
    """What systems and programs leave behind and no scene needs."""
    parts = PurePosixPath(path).parts
    return not JUNK_FOLDERS.isdisjoint(parts) or parts[-1].lower() in JUNK_FILES or BACKUP.search(parts[-1]) is not None


def _check_part(part: str, name: str) -> None:
    if found := FORBIDDEN.search(part):
        sign = found.group()
        shown = f"`{sign}`" if sign.isprintable() else f"an invisible sign (code {ord(sign)})"
        raise BadArchive(f"`{name}` in the archive contains {shown}, which Windows cannot have in names; rename it")
    if part != part.rstrip(". "):
        raise BadArchive(f"`{name}` in the archive has a part that ends in a dot or a blank; rename it")
    if part.split(".")[0].rstrip().lower() in DEVICES:
        raise BadArchive(f"`{name}` in the archive has a name that Windows keeps for devices; rename it")


def _clash(first: str, second: str) -> str:
    if first == second:
        return f"`{first}` is in the archive twice; pack the folder of the scene again"
    return f"`{first}` and `{second}` are one file on Windows and macOS; rename one of them"
