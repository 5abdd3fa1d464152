"""Official Blender builds: a .tar.xz, .tar.gz, .tar.bz2 or .zip, or a folder that holds what was in one."""

import errno
import lzma
import os
import plistlib
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sheepfold.server.core.zip_writer import PackedFile, file_of
from sheepfold.server.renderers.builds import BadRenderer, Format, Program, read_program, windows_version

NAMES = frozenset({"blender", "blender.exe"})
APP_DEPTH = 3  # Blender.app/Contents/MacOS
DEPTH = 5  # folders above the program: Blender.app/Contents/MacOS/Blender, with one more around it
SERIES = re.compile(r"\d+\.\d+")  # the folder of scripts and data files, e.g. `4.2`
SAID = re.compile(r"^Blender (\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
NAMED = re.compile(r"blender-(\d+\.\d+\.\d+)", re.IGNORECASE)
SIZE_LIMIT = 16 << 30  # bytes unpacked; Blender 5 has 1.3 GiB
FILE_LIMIT = 100_000
ANSWER_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Release:
    """An unpacked build. `root`: its folder, of a Mac the .app; `series`: e.g. `4.2`."""

    root: Path
    executable: Path
    program: Program
    series: str


DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a build into a folder. Raises BadRenderer."""
    try:
        if tarfile.is_tarfile(archive):
            _untar(archive, folder)
        elif zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        else:
            raise BadRenderer(_no_archive(archive))
    except DAMAGE as error:
        raise BadRenderer(f"{archive.name} is damaged ({error}); download it again") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place in the archive that cannot be; anything else is the disk
            raise
        raise BadRenderer(f"{archive.name} is damaged ({error}); download it again") from error


def find_release(folder: Path) -> Release:
    """The build in a folder. Raises BadRenderer if there is none, or one that no client could run."""
    for executable in _candidates(folder):
        if (release := release_of(executable)) is not None:
            return release
    raise BadRenderer("there is no Blender inside: no program `blender` beside a folder such as `4.2`")


def release_of(executable: Path) -> Release | None:
    """The build that a program belongs to; None if there is no folder of scripts beside it. Raises BadRenderer."""
    program = read_program(executable)
    if program is None:
        return None
    mac = program.format is Format.MACHO and len(executable.parts) > APP_DEPTH
    root = executable.parents[2] if mac else executable.parent
    series = _series(root)
    if not series:
        return None
    _check_machine(program)
    return Release(root, executable, program, series)


def version_of(release: Release) -> str:
    """By what the program itself says; where it cannot run, by its resources, then by its folder's name.

    A version of another series than the folder of scripts is not believed.
    """
    for version in _versions(release):
        if version == release.series or version.startswith(f"{release.series}."):
            return version
    return release.series


def release_files(release: Release) -> Iterator[PackedFile]:
    """Its files, as clients want them: the program is `rend.exe` at the top, of a Mac below `Blender/Blender.app`."""
    mac = release.program.format is Format.MACHO
    for path in _files(release.root):
        name = path.relative_to(release.root).as_posix()
        main = path == release.executable
        if mac:
            name = "Blender/Blender.app/" + ("Contents/MacOS/Blender" if main else name)
        elif main:
            name = "rend.exe"
        yield file_of(path, name, executable=main or bool(path.stat().st_mode & 0o100))


def said_version(words: list[str | Path]) -> str:
    """What a Blender answers to `--version`; empty if it cannot run here."""
    try:
        done = subprocess.run(
            [*words, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = SAID.search(done.stdout.decode("utf-8", "replace"))
    return found.group(1) if found else ""


def _versions(release: Release) -> Iterator[str]:
    match release.program.format:
        case Format.ELF:
            yield said_version([release.executable])
        case Format.PE:
            yield windows_version(release.executable)
        case Format.MACHO:
            yield _plist_version(release.root / "Contents" / "Info.plist")
    named = NAMED.match(release.root.name)
    yield named.group(1) if named else ""


def _plist_version(path: Path) -> str:
    try:
        return str(plistlib.loads(path.read_bytes()).get("CFBundleShortVersionString", ""))
    except (OSError, plistlib.InvalidFileException, ValueError):
        return ""


def _check_machine(program: Program) -> None:
    if program.machine not in ("x86", "x86-64") and program.format is not Format.MACHO:
        raise BadRenderer(
            f"this Blender is for {program.machine} processors, which clients do not tell apart from others; "
            "add the build for x86-64"
        )


def _candidates(folder: Path) -> list[Path]:
    found = [path for path in _files(folder) if path.name.lower() in NAMES]
    near = [path for path in found if len(path.relative_to(folder).parts) <= DEPTH]
    return sorted(near, key=lambda path: (len(path.parts), path.name))


def _series(root: Path) -> str:
    for place in (root, root / "Contents" / "Resources"):
        names = [path.name for path in place.iterdir() if SERIES.fullmatch(path.name)] if place.is_dir() else []
        if names:
            return max(names)
    return ""


def _files(folder: Path) -> Iterator[Path]:
    """Every file; links count as what they point to, since many clients cannot make links."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            if (path := Path(place, name)).is_file():
                yield path


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        members = []
        size = 0
        for member in tar:
            members.append(member)
            size += member.size
            _check_amount(len(members), size)
        tar.extractall(folder, members, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        _check_amount(len(packed.infolist()), sum(info.file_size for info in packed.infolist()))
        packed.extractall(folder)  # noqa: S202  # zipfile keeps every name inside the folder


def _check_amount(count: int, size: int) -> None:
    if count > FILE_LIMIT or size > SIZE_LIMIT:
        raise BadRenderer("this is far larger than any Blender; give the build as it was downloaded")


def _no_archive(archive: Path) -> str:
    if archive.suffix.lower() == ".dmg":
        return "a .dmg opens only on a Mac: open it there, pack Blender.app as .zip and add that"
    return f"{archive.name} is no .tar.xz, .tar.gz or .zip; give a Blender build as it was downloaded"
