"""The archive of a scene that machines get, made from an upload that `archives.inspect` has checked."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sheepfold.server.core.zip_writer import PackedFile, file_of, write_zip
from sheepfold.server.projects.archives import Contents, Entry, Kind, reading_zip

MEDIA_TYPE = "application/zip"


def pack_scene(upload: Path, contents: Contents, target: Path, password: str = "") -> None:
    """Write the archive. The same upload gives the same bytes, unless there is a password.

    Raises BadArchive if the upload turns out to be damaged; what lies at `target` then is of no use.
    """
    if contents.kind is Kind.BLEND:
        write_zip(target, [file_of(upload, contents.entries[0].path)], password)
        return
    with reading_zip(), zipfile.ZipFile(upload) as source:
        write_zip(target, [_packed(source, entry) for entry in contents.entries], password)


def unpack_blends(upload: Path, contents: Contents, folder: Path) -> None:
    """Put the .blend files of an upload into a folder, for a look into them. Raises BadArchive."""
    if contents.kind is Kind.BLEND:
        (folder / contents.entries[0].path).symlink_to(upload.resolve())
        return
    with reading_zip(), zipfile.ZipFile(upload) as source:
        for entry in contents.entries:
            if entry.path.lower().endswith(".blend"):
                _unpack(source, entry, folder / entry.path)


def _packed(source: zipfile.ZipFile, entry: Entry) -> PackedFile:
    return PackedFile(entry.path, entry.size, lambda: source.open(entry.name))


def _unpack(source: zipfile.ZipFile, entry: Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(entry.name) as packed, target.open("wb") as file:
        for chunk in _chunks(packed):
            file.write(chunk)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(1 << 20), b"")
