"""What an upload holds, checked before anything of it is unpacked.

An upload is a .blend (plain, or compressed by Blender with gzip or Zstandard) or a .zip of a scene's folder.
"""

import errno
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from sheepfold.server.projects.names import BadArchive, check_together, clean_path, is_junk, safe_name
from sheepfold.server.projects.zip_directory import directory_size

GIB = 1 << 30
MIB = 1 << 20
BLEND_MAGIC = {b"BLENDER": "plain", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError, NotImplementedError, EOFError)
ENCRYPTED, UTF8 = 0x1, 0x800  # bits of an entry's flags
LOCAL_HEADER = 30  # bytes before the name of an entry
OTHER_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".xz", ".bz2")


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """The most that an upload may hold. Sizes in bytes, unpacked."""

    entries: int = 50_000
    directory: int = 32 * MIB  # the table of contents itself
    total: int = 128 * GIB
    ratio: int = 100  # unpacked : packed; scenes of zeros and text reach 30
    free: int = GIB  # up to here the ratio is not asked


class Kind(Enum):
    """What the upload is."""

    BLEND = "blend"
    ZIP = "zip"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the upload: where it goes, what the zip calls it, bytes unpacked."""

    path: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A checked upload. `blends`: paths of the scenes inside, the most likely one first."""

    kind: Kind
    entries: tuple[Entry, ...]
    blends: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes unpacked."""
        return sum(entry.size for entry in self.entries)


DEFAULT_LIMITS = ArchiveLimits()


def inspect(path: Path, name: str, limits: ArchiveLimits = DEFAULT_LIMITS) -> Contents:
    """Look into an upload that its owner calls `name`. Raises BadArchive with words for the owner."""
    with path.open("rb") as file:
        start = file.read(8)
    if blend_compression(start) is not None:
        entry = Entry(_blend_name(name), name, path.stat().st_size)
        return Contents(Kind.BLEND, (entry,), (entry.path,))
    if not start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise BadArchive(f"{name} is neither a .blend file nor a .zip; {_looks_like(start)}")
    return _inspect_zip(path, name, limits)


def choose_blend(contents: Contents, wanted: str = "") -> str | None:
    """The scene to render; None if there are several and none of them is wanted. Raises BadArchive for a wrong wish."""
    if wanted:
        if wanted not in contents.blends:
            raise BadArchive(f"there is no scene `{wanted}` in the upload; there are: {', '.join(contents.blends)}")
        return wanted
    return contents.blends[0] if len(contents.blends) == 1 else None


def blend_compression(start: bytes) -> str | None:
    """`plain`, `gzip` or `zstd` by the first bytes of a file; None if it is no .blend."""
    return next((kind for magic, kind in BLEND_MAGIC.items() if start.startswith(magic)), None)


@contextmanager
def reading_zip() -> Iterator[None]:
    """Turns the many ways in which Python meets a damaged zip into BadArchive. A failing disk stays an OSError."""
    try:
        yield
    except ZIP_DAMAGE as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(error) from error


def _damaged(error: Exception) -> BadArchive:
    return BadArchive(f"the .zip is damaged ({error}); pack it again, or upload it again")


def _inspect_zip(path: Path, name: str, limits: ArchiveLimits) -> Contents:
    _check_directory(path, limits)
    with reading_zip(), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        _check_amounts(infos, path.stat().st_size, limits)
        entries = _entries(infos)
        return Contents(Kind.ZIP, entries, _blends(archive, entries, name))


def _check_directory(path: Path, limits: ArchiveLimits) -> None:
    found = directory_size(path)
    if found is None:
        raise BadArchive("the .zip ends too early; upload it again")
    if found.entries > limits.entries or found.size > limits.directory:
        raise BadArchive(f"the .zip has more than {limits.entries} files; leave out what the scene does not need")


def _check_amounts(infos: Sequence[zipfile.ZipInfo], packed: int, limits: ArchiveLimits) -> None:
    total = sum(info.file_size for info in infos)
    if len(infos) > limits.entries:
        raise BadArchive(f"the .zip has more than {limits.entries} files; leave out what the scene does not need")
    if total > limits.total:
        raise BadArchive(f"the .zip unpacks to more than {limits.total // GIB} GiB; leave out what is not needed")
    if total > max(limits.free, limits.ratio * packed):
        raise BadArchive(f"the .zip unpacks to {total // MIB} MiB, far more than a scene of this size; pack it again")
    _check_overlap(infos)


def _check_overlap(infos: Iterable[zipfile.ZipInfo]) -> None:
    """Bytes that several entries share are how a small zip becomes a huge one."""
    end = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        if info.header_offset < end:
            raise BadArchive("the .zip is damaged: its files lie over one another; pack it again")
        end = info.header_offset + LOCAL_HEADER + info.compress_size


def _entries(infos: Iterable[zipfile.ZipInfo]) -> tuple[Entry, ...]:
    kept = []
    for info in infos:
        path = clean_path(_decoded_name(info))
        _check_entry(info, path)
        if not info.is_dir() and not is_junk(path):
            kept.append(Entry(path, info.filename, info.file_size))
    check_together(entry.path for entry in kept)
    return tuple(kept)


def _decoded_name(info: zipfile.ZipInfo) -> str:
    """macOS writes UTF-8 without saying so; anything else unmarked is what the format says, code page 437."""
    if "\0" in info.orig_filename:
        raise BadArchive(f"`{info.filename}` in the archive has a name with a zero byte; pack it again")
    if info.flag_bits & UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeDecodeError:
        return info.filename


def _check_entry(info: zipfile.ZipInfo, path: str) -> None:
    if info.flag_bits & ENCRYPTED:
        raise BadArchive("the .zip has a password, which the farm does not know; pack it without one")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise BadArchive(f"`{path}` in the archive is a link; pack the file itself instead")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"`{path}` in the archive is a device or a pipe; leave it out")
    if info.compress_type not in METHODS:
        raise BadArchive(f"`{path}` is packed in a rare way; choose the ordinary method (Deflate) and pack it again")


def _blends(archive: zipfile.ZipFile, entries: Sequence[Entry], name: str) -> tuple[str, ...]:
    named = [entry for entry in entries if entry.path.lower().endswith(".blend")]
    real = [entry for entry in named if blend_compression(_start(archive, entry)) is not None]
    if not real:
        raise BadArchive(_no_blend(entries, named))
    stem = PurePosixPath(name).stem.lower()

    def likelihood(entry: Entry) -> tuple[int, bool, int, str]:
        path = PurePosixPath(entry.path)
        return len(path.parts), path.stem.lower() != stem, -entry.size, entry.path

    return tuple(entry.path for entry in sorted(real, key=likelihood))


def _start(archive: zipfile.ZipFile, entry: Entry) -> bytes:
    with archive.open(entry.name) as file:
        return file.read(8)


def _no_blend(entries: Sequence[Entry], named: Sequence[Entry]) -> str:
    if named:
        return f"`{named[0].path}` is no Blender file; save the scene again and pack that"
    if any(entry.path.lower().endswith(OTHER_ARCHIVES) for entry in entries):
        return "the .zip has no .blend, only another archive inside; pack the scene's folder once"
    return "the .zip has no .blend inside; pack the folder with the scene"


def _blend_name(name: str) -> str:
    clean = safe_name(name)
    return clean if clean.lower().endswith(".blend") else f"{clean}.blend"


def _looks_like(start: bytes) -> str:
    others = {b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip", b"\xfd7zXZ": "XZ"}
    found = next((words for magic, words in others.items() if start.startswith(magic)), None)
    if found is not None:
        return f"it is a {found} archive: pack the scene's folder as .zip instead"
    return "save the scene in Blender and upload that, or pack its folder as .zip"
