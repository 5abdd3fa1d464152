"""Renderer archives of builds, of the installed Blender and of Blender as a Python module."""

import hashlib
import io
import os
import plistlib
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from sheepfold.server.core.zip_writer import write_zip
from sheepfold.server.renderers.builds import BadRenderer, PackedRenderer, SourceKind
from sheepfold.server.renderers.launchers import module_files
from sheepfold.server.renderers.packing import pack_renderer
from sheepfold.server.renderers.platforms import Platform

LINUX, WINDOWS, MAC = Platform("linux", 64), Platform("windows", 64), Platform("mac", 64)
BLENDER = Path("/usr/bin/blender")
Words = list[str | Path]
EMULATOR = find_spec("sheepfold.server.renderers.bpy_blender")  # it cannot be imported without bpy
SCRIPTS = Path(__file__).parents[3] / "bench" / "scenes"


def elf(machine: int = 62, bits: int = 64) -> bytes:
    return b"\x7fELF" + bytes([bits // 32, 1, 1, 0]) + bytes(8) + struct.pack("<HH", 2, machine) + bytes(100)


def pe(version: tuple[int, int, int] | None, machine: int = 0x8664) -> bytes:
    head = b"MZ" + bytes(0x3A) + struct.pack("<L", 0x40) + b"PE\0\0" + struct.pack("<H", machine) + bytes(60)
    if version is None:
        return head
    major, minor, patch = version
    return head + struct.pack("<LLLL", 0xFEEF04BD, 0x10000, major << 16 | minor, patch << 16)


def macho(cpu: int = 0x0100000C) -> bytes:
    return b"\xcf\xfa\xed\xfe" + struct.pack("<L", cpu) + bytes(60)


def plist(version: str) -> bytes:
    return plistlib.dumps({"CFBundleShortVersionString": version})


def tarball(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:xz", preset=0) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o755 if name.endswith("blender") else 0o644, os.getpid()
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def linux_files(folder: str = "blender-4.2.1-linux-x64", program: bytes | None = None) -> dict[str, bytes]:
    return {
        f"{folder}/blender": program or elf(),
        f"{folder}/lib/libx.so.1": b"library",
        f"{folder}/4.2/scripts/startup.py": b"",
    }


def pack(tmp_path: Path, source: Path) -> tuple[PackedRenderer, Path]:
    target = tmp_path / "renderer.zip"
    return pack_renderer(source, target, tmp_path), target


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as packed:
        return packed.namelist()


def unpacked(archive: Path, folder: Path) -> Path:
    """As clients do it; returns the program."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    (folder / "rend.exe").chmod(0o755)
    return folder / "rend.exe"


def test_a_linux_build_that_cannot_run_here_is_known_by_its_folders(tmp_path: Path) -> None:
    source = tarball(tmp_path / "download.bin", linux_files(), {"blender-4.2.1-linux-x64/lib/libx.so": "libx.so.1"})

    packed, archive = pack(tmp_path, source)

    assert packed == PackedRenderer("4.2.1", LINUX, SourceKind.RELEASE)
    assert not packed.local_only
    assert names(archive) == [
        "4.2/", "4.2/scripts/", "lib/", "4.2/scripts/startup.py", "lib/libx.so", "lib/libx.so.1", "rend.exe",
    ]  # fmt: skip
    with zipfile.ZipFile(archive) as packed_zip:
        assert packed_zip.read("lib/libx.so") == b"library"
        assert packed_zip.getinfo("rend.exe").external_attr >> 16 & 0o777 == 0o755


def test_a_linux_build_that_runs_says_its_version_whatever_its_folder_is_called(tmp_path: Path) -> None:
    runs_anywhere = Path("/usr/bin/printf").read_bytes()  # a real program: prints its first word, fails without one
    files = linux_files("blender-9.9.9", runs_anywhere)

    packed, _ = pack(tmp_path, tarball(tmp_path / "a.tar.xz", files))

    assert packed.version == "4.2"  # neither its answer nor its folder names a 4.2, so only the series is certain


def test_the_same_build_gives_the_same_archive(tmp_path: Path) -> None:
    digests = set()
    for order in (list, reversed):
        files = dict(order(list(linux_files().items())))
        _, archive = pack(tmp_path, tarball(tmp_path / "a.tar.xz", files))
        digests.add(hashlib.md5(archive.read_bytes()).hexdigest())

    assert len(digests) == 1


def test_a_windows_build_is_known_by_its_version_resource(tmp_path: Path) -> None:
    files = {"any/blender.exe": pe((4, 2, 3)), "any/4.2/scripts/a.py": b"", "any/blender-launcher.exe": pe(None)}

    packed, archive = pack(tmp_path, zipped(tmp_path / "a.zip", files))

    assert packed == PackedRenderer("4.2.3", WINDOWS, SourceKind.RELEASE)
    assert "rend.exe" in names(archive)
    assert "blender-launcher.exe" in names(archive)


def test_a_version_of_another_series_than_its_scripts_is_not_believed(tmp_path: Path) -> None:
    files = {"blender-3.6.1-windows-x64/blender.exe": pe((1, 0, 0)), "blender-3.6.1-windows-x64/3.6/a.py": b""}

    assert pack(tmp_path, zipped(tmp_path / "a.zip", files))[0].version == "3.6.1"


def test_a_mac_build_keeps_its_bundle(tmp_path: Path) -> None:
    files = {
        "Blender.app/Contents/MacOS/Blender": macho(),
        "Blender.app/Contents/Info.plist": plist("4.2.1"),
        "Blender.app/Contents/Resources/4.2/scripts/a.py": b"",
    }

    packed, archive = pack(tmp_path, zipped(tmp_path / "a.zip", files))

    assert packed == PackedRenderer("4.2.1", MAC, SourceKind.RELEASE)
    assert "Blender/Blender.app/Contents/MacOS/Blender" in names(archive)
    assert "Blender/Blender.app/Contents/Resources/4.2/scripts/a.py" in names(archive)


def test_an_unpacked_build_is_taken_as_a_folder_or_by_its_program(tmp_path: Path) -> None:
    with tarfile.open(tarball(tmp_path / "a.tar.xz", linux_files())) as tar:
        tar.extractall(tmp_path / "opt", filter="data")
    program = tmp_path / "opt" / "blender-4.2.1-linux-x64" / "blender"
    link = tmp_path / "blender"
    link.symlink_to(program)

    results = [pack(tmp_path, source) for source in (tmp_path / "opt", program, link)]

    assert {packed for packed, _ in results} == {PackedRenderer("4.2.1", LINUX, SourceKind.RELEASE)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path / "gone.tar.xz", "gone.tar.xz is not there"),
        (lambda path: zipped(path / "a.zip", {"readme.txt": b""}), "there is no Blender inside"),
        (lambda path: zipped(path / "a.zip", {"blender.exe": pe(None)}), "there is no Blender inside"),
        (lambda path: zipped(path / "a.zip", {"blender": b"#!/bin/sh", "4.2/a.py": b""}), "there is no Blender inside"),
        (lambda path: tarball(path / "a.tar.xz", linux_files(program=elf(183))), "for ARM processors"),
        (lambda path: damaged(tarball(path / "a.tar.xz", linux_files())), "is no .tar.xz, .tar.gz or .zip"),
        (lambda path: written(path / "blender.dmg", b"koly"), "a .dmg opens only on a Mac"),
        (lambda path: tarball(path / "a.tar", {"../evil": b"x"}), "is damaged"),
        (lambda _: Path("/bin/true"), "/bin/true does not start or is no Blender"),
        (lambda path: bare_python(path), "has no module bpy"),
    ],
    ids=["gone", "no-program", "no-scripts", "no-machine-code", "arm", "damaged", "dmg", "escape", "true", "python"],
)
def test_what_is_no_renderer_is_refused(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(BadRenderer) as caught:
        pack(tmp_path, make(tmp_path))

    assert words in caught.value.message
    assert not (tmp_path / "renderer.zip").exists()


def bare_python(folder: Path) -> Path:
    """An interpreter without any installed module."""
    path = written(folder / "python3", f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n'.encode())
    path.chmod(0o755)
    return path


def damaged(path: Path) -> Path:
    return written(path, b"\0" * 100 + path.read_bytes()[100:])


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "trivial.blend"
    command: Words = [BLENDER, "-b", "--factory-startup", "-P", SCRIPTS / "trivial.py", "--", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


def render(words: Words, scene: Path, output: Path) -> bytes:
    arguments: Words = [
        "--factory-startup",
        "--disable-autoexec",
        "-noaudio",
        "-b",
        scene,
        "-o",
        output,
        "-f",
        "0007",
        "-x",
        "1",
    ]
    subprocess.run([*words, *arguments], check=True, capture_output=True)
    return output.with_name(f"{output.name}0007.png").read_bytes()


def test_the_installed_blender_is_started_by_its_launcher(scene: Path, tmp_path: Path) -> None:
    packed, archive = pack(tmp_path, BLENDER)
    program = unpacked(archive, tmp_path / "renderer")

    assert packed.version == subprocess.check_output([BLENDER, "--version"], text=True).split()[1]
    assert packed == PackedRenderer(packed.version, LINUX, SourceKind.INSTALLED)
    assert packed.local_only
    assert pixels(render([program], scene, tmp_path / "a_")) == pixels(render([BLENDER], scene, tmp_path / "b_"))


def pixels(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as image:
        return image.tobytes()


def changed(program: Path, *pairs: tuple[str, str]) -> Path:
    text = program.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    program.write_text(text)
    return program


def test_a_launcher_asks_a_blender_that_is_not_the_file_it_knew(tmp_path: Path) -> None:
    packed, archive = pack(tmp_path, BLENDER)
    program = changed(unpacked(archive, tmp_path / "r"), (f"same='{BLENDER.stat().st_size}", "same='1"))

    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()[:2]) == (0, ["Blender", packed.version])


def test_a_launcher_without_its_blender_says_what_to_do(tmp_path: Path) -> None:
    packed, archive = pack(tmp_path, BLENDER)
    known = (f"same='{BLENDER.stat().st_size}", "same='1")
    program = changed(unpacked(archive, tmp_path / "r"), known, (packed.version, "9.9.9"))

    done = subprocess.run([program, "-b"], capture_output=True, text=True, check=False)

    assert done.returncode == 127
    assert done.stdout == ""
    assert "Blender 9.9.9 is not installed on this machine" in done.stderr


def emulated(folder: Path) -> Words:
    """The command line for bpy, run by the interpreter inside the installed Blender, which has bpy, too."""
    assert EMULATOR is not None
    lines = (
        "import runpy, sys",
        "sys.argv[:] = ['rend.exe', *sys.argv[sys.argv.index('--') + 1:]]",
        f"runpy.run_path({EMULATOR.origin!r}, run_name='__main__')",
    )
    script = written(folder / "run.py", "\n".join(lines).encode())
    return [BLENDER, "-b", "--factory-startup", "-P", script, "--"]


def test_the_command_line_for_bpy_renders_what_blender_renders(scene: Path, tmp_path: Path) -> None:
    ours, blenders = render(emulated(tmp_path), scene, tmp_path / "a_"), render([BLENDER], scene, tmp_path / "b_")

    assert pixels(ours) == pixels(blenders)


def test_the_command_line_for_bpy_takes_its_words_in_order(scene: Path, tmp_path: Path) -> None:
    script = written(tmp_path / "s.py", b"import bpy\nprint('range', bpy.context.scene.frame_end, flush=True)\n")
    words: Words = ["-t", "1", "-E", "CYCLES", "-F", "JPEG", "-e", "9", "-P", script, "-f", "1..2,-1", "--", "-f", "50"]

    done = subprocess.run(
        [*emulated(tmp_path), "-b", scene, "-o", tmp_path / "x_", *words], capture_output=True, text=True, check=True
    )

    assert sorted(path.name for path in tmp_path.glob("x_*")) == ["x_0001.jpg", "x_0002.jpg", "x_0008.jpg"]
    assert "range 9\n" in done.stdout
    assert done.stdout.rstrip().endswith("Blender quit")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["/nowhere.blend"], 1, "Cannot read file"),
        (["-o"], 1, "the last argument lacks its value"),
        (["--python-exit-code", "3", "--python-expr", "1/0"], 3, "ZeroDivisionError"),
        (["--python-expr", "1/0"], 0, "ZeroDivisionError"),
        (["--python-expr", "raise SystemExit(5)"], 5, ""),
        (["--unheard-of"], 0, "unknown argument, left out: --unheard-of"),
        (["-S", "No such scene", "-b"], 1, "No such scene"),
    ],
)
def test_the_command_line_for_bpy_ends_as_blender_does(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    done = subprocess.run([*emulated(tmp_path), *words], capture_output=True, text=True, check=False)

    assert done.returncode == status
    assert said in done.stderr


def test_the_launcher_of_a_module_says_when_it_is_gone(tmp_path: Path) -> None:
    files = module_files(tmp_path / "bin" / "python3", "4.2.0")
    write_zip(tmp_path / "renderer.zip", files)
    program = unpacked(tmp_path / "renderer.zip", tmp_path / "r")

    done = subprocess.run([program, "-b"], capture_output=True, text=True, check=False)

    assert done.returncode == 127
    assert f"Blender 4.2.0 as a Python module is gone from this machine ({tmp_path}/bin/python3)" in done.stderr


def test_the_launcher_of_a_module_starts_its_interpreter_free_of_the_environment(tmp_path: Path) -> None:
    python = written(tmp_path / "python it's", b'#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    write_zip(tmp_path / "renderer.zip", module_files(python, "4.2.0"))
    program = unpacked(tmp_path / "renderer.zip", tmp_path / "r")

    said = subprocess.check_output([program, "-b", "my scene.blend"], text=True)

    assert said.splitlines() == ["-E", f"{tmp_path}/r/bpy_blender.py", "-b", "my scene.blend"]
    assert (tmp_path / "r" / "bpy_blender.py").is_file()
