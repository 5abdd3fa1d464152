"""Archives from the farm become folders: nothing outside the folder is touched, nothing half-done stays."""

import errno
import lzma
import re
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zipfile import ZipInfo

import pyzipper  # type: ignore[import-untyped]

_PIECE = 1024 * 1024
_KEEP_FREE = 512 * 1024 * 1024  # bytes of disk that an archive never takes from the owner
_UNIX = 3  # `create_system` of archives whose entries carry Unix modes

# A place in the archive that cannot be, or names that do not go together; any other error is the disk's.
_IMPOSSIBLE = {errno.EINVAL, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}


class UnpackError(Exception):
    """The archive is broken, locked, too large or tries to write elsewhere. The text says which."""


def unpack(archive: Path, target: Path, password: str = "", executables: tuple[str, ...] = ()) -> None:
    """Unpack a zip (plain, ZipCrypto or AES) into the new folder `target`, all of it or nothing.

    `executables`: names inside that must be startable. Raises UnpackError; OSError when the disk refuses.
    """
    partial = target.with_name(f"{target.name}.partial")
    remove_folder(partial)
    partial.mkdir(parents=True)
    try:
        _extract(archive, partial, password)
        _make_executable(partial, executables)
        partial.rename(target)
    finally:
        remove_folder(partial)


def remove_folder(folder: Path) -> None:
    """Delete a folder and what is in it; nothing happens when there is none."""
    if folder.exists():
        shutil.rmtree(folder)


def _extract(archive: Path, folder: Path, password: str) -> None:
    try:
        with pyzipper.AESZipFile(archive) as zipped:
            entries = zipped.infolist()
            _check_room(entries, folder)
            encrypted = any(entry.flag_bits & 1 for entry in entries)
            zipped.setpassword(password.encode() if encrypted and password else None)
            for entry in entries:
                _extract_entry(zipped, entry, folder)
    except (
        pyzipper.BadZipFile,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
    ) as error:
        raise UnpackError(f"the archive cannot be read: {error}") from error
    except (zlib.error, lzma.LZMAError) as error:
        raise UnpackError(f"the archive is damaged: {error}") from error
    except OSError as error:
        if error.errno not in _IMPOSSIBLE:
            raise
        raise UnpackError(f"the archive is damaged: {error}") from error


def _check_room(entries: list[ZipInfo], folder: Path) -> None:
    size = sum(entry.file_size for entry in entries)
    room = shutil.disk_usage(folder).free - _KEEP_FREE
    if size > room:
        raise UnpackError(f"the archive unpacks to {size} bytes; there is room for {max(room, 0)}")


def _extract_entry(zipped: pyzipper.AESZipFile, entry: ZipInfo, folder: Path) -> None:
    target = folder / safe_name(entry.filename)
    mode = entry.external_attr >> 16
    if entry.create_system == _UNIX and stat.S_IFMT(mode) not in (
        0,
        stat.S_IFREG,
        stat.S_IFDIR,
    ):
        raise UnpackError(f"the archive holds something that is neither file nor folder: {entry.filename!r}")
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        for piece in _pieces(zipped, entry):
            out.write(piece)
    if entry.create_system == _UNIX and mode & stat.S_IXUSR:
        target.chmod(0o755)


def _pieces(zipped: pyzipper.AESZipFile, entry: ZipInfo) -> Iterator[bytes]:
    """The content, never more than the entry announced: those sizes were checked against the disk."""
    written = 0
    with zipped.open(entry) as source:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > entry.file_size:
                raise UnpackError(f"{entry.filename!r} is larger than the archive says")
            yield piece


def safe_name(name: str) -> PurePosixPath:
    """The relative path of an entry. Raises UnpackError for one that would leave the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"^[A-Za-z]:", name):
        raise UnpackError(f"the archive tries to write outside of its folder: {name!r}")
    return path


def _make_executable(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = folder / name
        if path.is_file():
            path.chmod(path.stat().st_mode | 0o755)
