"""Unpacking as different zip readers do it, and running the renderer of a job."""

import io
import os
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyzipper

from tests.e2e.clients.wire import Unusable

STREAMED = 0x8  # bit of an entry's flags: the size comes after the data
ENCRYPTED = 0x1
SECONDS = 120


def unpack_stream(archive: bytes, folder: Path) -> None:
    """Reads entries one after the other, so it must know where each ends; knows no encryption."""
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for info in zipped.infolist():
            if info.flag_bits & ENCRYPTED:
                raise Unusable("error 10: encrypted")
            if info.compress_type == zipfile.ZIP_STORED and info.flag_bits & STREAMED:
                raise Unusable("error 10: only DEFLATED entries can have EXT descriptor")
        zipped.extractall(folder)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def unpack(archive: bytes, folder: Path, password: str, executables: tuple[str, ...]) -> None:
    """Sets the executable bit of the executable only."""
    with pyzipper.AESZipFile(io.BytesIO(archive)) as zipped:
        for info in zipped.infolist():
            if info.date_time[0] < 1980:
                raise Unusable("error 10: negative time")
        zipped.extractall(folder, pwd=password.encode() or None)
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o755 if path.name in executables else 0o644)


def unpack_into_listed_folders(archive: bytes, folder: Path, password: str, modes: bool = False) -> None:
    """Makes only the folders that the archive lists, and takes modes from it or sets none."""
    folder.mkdir()
    with pyzipper.AESZipFile(io.BytesIO(archive)) as zipped:
        for info in zipped.infolist():
            target = folder / info.filename
            if info.is_dir():
                target.mkdir()
            else:
                target.write_bytes(zipped.read(info, pwd=password.encode() or None))
            if modes:
                target.chmod(info.external_attr >> 16 & 0o777)


def command(line: str, words: Mapping[str, list[str]]) -> list[str]:
    """The command of a job: split at single blanks, whole words replaced."""
    pieces = line.split(" ")
    if pieces[0] != ".e" or "" in pieces:
        raise Unusable(f"cannot be split: '{line}'")
    return [word for piece in pieces for word in words.get(piece, [piece])]


def blender_output(words: list[str]) -> str:
    """Run Blender for its side effects; what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout + done.stderr


def run(words: list[str], folder: Path, beginning: str) -> bytes:
    """Run the renderer; the image is the first file whose name begins so."""
    done = subprocess.run(
        words, capture_output=True, cwd=folder, timeout=SECONDS, env={**os.environ, "CORES": "-1"}, check=False
    )
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.startswith(beginning):
            image = path.read_bytes()
            path.unlink()
            return image
    raise Unusable(f"error 8: no output file; Blender said: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}")
