"""Makes the archive of a renderer, in the layout that clients expect.

The program is `rend.exe` at the top on Windows, Linux and FreeBSD, and `Blender/Blender.app/Contents/MacOS/Blender` on
a Mac; the `lib` folder of a Linux build stays beside it.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sheepfold.server.core.zip_writer import write_zip
from sheepfold.server.renderers import launchers
from sheepfold.server.renderers.builds import BadRenderer, PackedRenderer, SourceKind
from sheepfold.server.renderers.releases import Release, find_release, release_files, release_of, unpack, version_of

MEDIA_TYPE = "application/zip"
MODULE = Path("bpy")  # stands for this interpreter's own module


def pack_renderer(source: Path, target: Path, tmp_dir: Path) -> PackedRenderer:
    """Write the archive of a renderer; the same source gives the same bytes.

    `source`: an official build (.tar.xz, .tar.gz, .zip, or its unpacked folder), an installed program `blender`, a
    Python interpreter that has the module bpy, or the word `bpy` for the one that runs this. `tmp_dir` has room for the
    unpacked build. Raises BadRenderer.
    """
    if source == MODULE and not source.exists():
        return _pack_module(Path(sys.executable), target)
    if not source.exists():
        raise BadRenderer(f"{source} is not there; give a Blender build, an installed `blender`, or the word bpy")
    if source.is_dir():
        return _pack_release(find_release(source.resolve()), target)
    if not os.access(source, os.X_OK) or source.suffix.lower() in (".xz", ".gz", ".bz2", ".zip", ".dmg"):
        with TemporaryDirectory(dir=tmp_dir, prefix="renderer-") as folder:
            unpack(source, Path(folder))
            return _pack_release(find_release(Path(folder)), target)
    return _pack_program(source.absolute(), target)


def _pack_release(release: Release, target: Path) -> PackedRenderer:
    write_zip(target, release_files(release))
    return PackedRenderer(version_of(release), release.program.platform, SourceKind.RELEASE)


def _pack_program(program: Path, target: Path) -> PackedRenderer:
    """An interpreter, the program of an unpacked build, or an installed Blender."""
    if program.name.startswith("python"):
        return _pack_module(program, target)
    release = release_of(program.resolve())
    return _pack_installed(program, target) if release is None else _pack_release(release, target)


def _pack_installed(blender: Path, target: Path) -> PackedRenderer:
    platform, version = launchers.this_platform(), launchers.installed_version(blender)
    write_zip(target, launchers.installed_files(blender, version))
    return PackedRenderer(version, platform, SourceKind.INSTALLED)


def _pack_module(python: Path, target: Path) -> PackedRenderer:
    platform, version = launchers.this_platform(), launchers.module_version(python)
    write_zip(target, launchers.module_files(python, version))
    return PackedRenderer(version, platform, SourceKind.MODULE)
