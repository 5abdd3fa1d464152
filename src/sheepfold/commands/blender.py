"""The Blender of this machine: installed, from the system's packages, or as the Python module bpy."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sheepfold.commands.errors import CommandError
from sheepfold.environment.system import BLENDER, BUBBLEWRAP, CannotInstall, ensure, find

TAIL = 2000  # characters of Blender's output that are shown when it fails


@dataclass(frozen=True)
class LocalBlender:
    """The program `blender`, or a Python that has the module bpy."""

    program: Path
    is_module: bool

    def script_words(self, script: Path) -> list[str | Path]:
        """The words that run a script in it."""
        if self.is_module:
            return [self.program, script, "--"]
        return [self.program, "--background", "--factory-startup", "--python-exit-code", "1", "-P", script, "--"]


def find_blender(folder: Path) -> LocalBlender:
    """Blender, installed if it is missing; where that is not allowed, bpy in an environment in `folder`."""
    with suppress(CannotInstall):  # the client has other cages
        ensure([BUBBLEWRAP])
    try:
        ensure([BLENDER])
    except CannotInstall as error:
        return LocalBlender(_bpy(folder / "bpy", error), is_module=True)
    program = find(BLENDER)
    if program is None:
        raise CommandError("blender is installed, but not on the PATH")
    return LocalBlender(program, is_module=False)


def make_scene(blender: LocalBlender, script: Path, folder: Path) -> Path:
    """Run the script that writes a scene. Raises CommandError with the end of what Blender said."""
    scene = folder / "sheep.blend"
    words = [*blender.script_words(script), scene]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode or not scene.is_file():
        raise CommandError(f"Blender could not make the scene:\n{done.stdout[-TAIL:]}")
    return scene


def _bpy(folder: Path, why: CannotInstall) -> Path:
    """A Python with bpy. Its releases are each for one version of Python; pip takes the newest that fits."""
    python = folder / "bin" / "python"
    print("sheepfold: Blender cannot be installed by apt here; fetching it as the Python module bpy", file=sys.stderr)
    steps: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", "bpy"],
    )
    for words in steps:
        if subprocess.run(words, stdin=subprocess.DEVNULL).returncode:
            raise CommandError(f"{why}\nand the Python module bpy cannot be installed either")
    return python
