"""Zips that are the same bytes whenever their content is the same, and that every reader of ten years can unpack.

Folders come before the files in them, dates are 1980 (the earliest a zip can say), every size is known before its data,
names are UTF-8, links are not used. Only an encrypted zip differs each time, since its salt must.
"""

import stat
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyzipper  # type: ignore[import-untyped]

CHUNK = 1 << 20
LEVEL = 6
DATE = (1980, 1, 1, 0, 0, 0)
UNIX = 3
DOS_FOLDER = 0x10


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of a zip to be written: its path with `/`, its size in bytes, and how to read it."""

    path: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    executable: bool = False


def write_zip(target: Path, files: Iterable[PackedFile], password: str = "") -> None:
    """Write the files, sorted by path, streaming. With a password they are encrypted (AES-256).

    Raises ValueError if a file turns out longer or shorter than it says.
    """
    ordered = sorted(files, key=lambda file: file.path)
    with pyzipper.AESZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for folder in _folders(ordered):
            archive.writestr(_info(f"{folder}/", stat.S_IFDIR | 0o755), b"")
        if password:
            archive.setpassword(password.encode())
            archive.setencryption(pyzipper.WZ_AES, nbits=256)
        for file in ordered:
            _write(archive, file)


def file_of(path: Path, name: str, *, executable: bool = False) -> PackedFile:
    """A file on disk under another name."""
    return PackedFile(name, path.stat().st_size, lambda: path.open("rb"), executable)


def _write(archive: pyzipper.AESZipFile, file: PackedFile) -> None:
    info = _info(file.path, stat.S_IFREG | (0o755 if file.executable else 0o644))
    info.file_size = file.size  # decides whether the header has room for 64 bits
    written = 0
    with file.open() as source, archive.open(info, "w") as sink:
        while chunk := source.read(CHUNK):
            written += sink.write(chunk)
    if written != file.size:
        raise ValueError(f"{file.path} has {written} bytes instead of {file.size}")


def _info(path: str, mode: int) -> zipfile.ZipInfo:
    info: zipfile.ZipInfo = pyzipper.AESZipFile.zipinfo_cls(path, DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = LEVEL  # type: ignore[attr-defined]  # an entry made by hand does not get the archive's
    info.create_system = UNIX
    info.external_attr = mode << 16 | (DOS_FOLDER if stat.S_ISDIR(mode) else 0)
    return info


def _folders(files: Iterable[PackedFile]) -> list[str]:
    parents = {str(parent) for file in files for parent in PurePosixPath(file.path).parents}
    return sorted(parents - {"."})
