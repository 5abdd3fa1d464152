"""The words with which Blender is started. Pure but for looking for the `lib` folder of a renderer.

The server's command line has four tokens, each a whole word: `.e` executable, `.c` scene and script, `.o` output
prefix, `.f` frame.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sheepfold.client.task import RenderTask

MAC_EXECUTABLES = (
    "Blender/Blender.app/Contents/MacOS/Blender",
    "Blender/blender.app/Contents/MacOS/blender",
)
_AUTOEXEC_OFF = frozenset({"--disable-autoexec", "-Y"})
_AUTOEXEC_ON = frozenset({"--enable-autoexec", "-y"})
# What a program needs to start at all; everything else of the owner's environment stays with the owner.
_KEPT_VARIABLES = (
    "PATH",
    "LANG",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "NUMBER_OF_PROCESSORS",
)
_BLENDER_FOLDERS = (
    "BLENDER_USER_CONFIG",
    "BLENDER_USER_SCRIPTS",
    "BLENDER_USER_DATAFILES",
    "BLENDER_USER_EXTENSIONS",
)


def executable_in(renderer_dir: Path, platform: str = sys.platform) -> Path:
    """Where the executable of an unpacked renderer archive is. The file need not exist."""
    if platform != "darwin":
        return renderer_dir / "rend.exe"
    found = [renderer_dir / name for name in MAC_EXECUTABLES if (renderer_dir / name).exists()]
    return found[0] if found else renderer_dir / MAC_EXECUTABLES[0]


def script_text(task: RenderTask) -> str:
    """The server's script with our call of the function that it may define."""
    device = task.device
    call = f"sheepit_set_compute_device({device.compute_type!r}, {device.kind.value!r}, {device.id!r})"
    return f"{task.script}\n\nif 'sheepit_set_compute_device' in globals():\n    {call}\n"


def arguments(task: RenderTask, script_file: Path, frame: Sequence[str] | None = None) -> list[str]:
    """The full command. `frame` replaces the words that name the frame (`-f .f`), to keep Blender alive.

    Raises ValueError when `frame` is given and the command line does not render exactly one frame by `-f .f`.
    """
    words = _safe_words(task.commandline)
    if frame is not None:
        words = _replace_frame(words, frame)
    expanded: list[str] = []
    for word in words:
        expanded += _expand(word, task, script_file)
    return expanded


def environment(task: RenderTask, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables of Blender: its folders and temporary files inside the work folder, none of the owner's."""
    kept = {name: inherited[name] for name in _KEPT_VARIABLES if name in inherited}
    folder = str(task.home)
    own = dict.fromkeys(("HOME", "TEMP", "TMP", "TMPDIR", *_BLENDER_FOLDERS), folder)
    own["CORES"] = str(task.limits.cores if task.limits.cores is not None else -1)
    own["PRIORITY"] = str(task.limits.priority)
    library = task.renderer_dir / "lib"
    if library.is_dir():
        own["LD_LIBRARY_PATH"] = str(library)
    return kept | own


def output_prefix(task: RenderTask) -> str:
    """Blender appends the frame number and the ending of the format."""
    return str(task.work_dir / f"{task.job}_")


def _safe_words(commandline: str) -> list[str]:
    words = [word for word in commandline.split() if word not in _AUTOEXEC_ON]
    if ".e" not in words:
        words.insert(0, ".e")
    if not _AUTOEXEC_OFF.intersection(words):
        words.insert(words.index(".e") + 1, "--disable-autoexec")
    return words


def _replace_frame(words: list[str], frame: Sequence[str]) -> list[str]:
    if words.count(".f") != 1 or words[words.index(".f") - 1] not in (
        "-f",
        "--render-frame",
    ):
        raise ValueError("the command line does not ask for exactly one frame by `-f .f`")
    at = words.index(".f")
    return [*words[: at - 1], *frame, *words[at + 1 :]]


def _expand(word: str, task: RenderTask, script_file: Path) -> list[str]:
    if word == ".e":
        threads = ["-t", str(task.limits.cores)] if task.limits.cores else []
        return [str(executable_in(task.renderer_dir)), *threads]
    if word == ".c":
        return [str(task.scene_dir / task.scene), "-P", str(script_file)]
    if word == ".o":
        return [output_prefix(task)]
    return [task.frame_text] if word == ".f" else [word]
