"""What is left when a renderer has ended: the picture, or why there is none. No processes here."""

from pathlib import Path

from sheepfold.client.blender.command import executable_in
from sheepfold.client.task import RenderTask
from sheepfold.protocol.codes import ErrorKind

_CANNOT_START = 126  # what shells and `confine.py` answer when a program cannot be started
_LIBRARIES_MISSING = 127  # what shells and loaders answer when a program cannot be loaded


def what_is_missing(task: RenderTask) -> tuple[ErrorKind, str] | None:
    """Why the task cannot even be started: a part of its archives is not there."""
    executable, scene = executable_in(task.renderer_dir), (task.scene_dir / task.scene).resolve()
    if not executable.is_file():
        return ErrorKind.RENDERER_MISSING, f"the renderer's archive has no {executable.name}"
    if not scene.is_relative_to(task.scene_dir.resolve()) or not scene.is_file():
        return ErrorKind.SCENE_MISSING, f"the scene's archive has no {task.scene!r}"
    return None


def find_image(task: RenderTask) -> Path | None:
    """The picture of the task's frame: `<job>_<frame>` with any ending; the plain name before `…_L` and such."""
    prefix = f"{task.job}_{task.frame_text}"
    found = [path for path in task.work_dir.glob(f"{prefix}*") if path.is_file() and path.stat().st_size > 0]
    return min(found, key=lambda path: (path.stem != prefix, path.name), default=None)


def why_no_image(task: RenderTask, exit_code: int, seconds: float, spoke: bool) -> tuple[ErrorKind, str]:
    """The kind and the words for a renderer that ended without a picture."""
    if exit_code == _LIBRARIES_MISSING and seconds < 10 and not spoke:
        return (
            ErrorKind.MISSING_LIBRARIES,
            "the renderer did not start: libraries of this system are missing",
        )
    if exit_code == _CANNOT_START and seconds < 10:
        return ErrorKind.EXECUTE_FAILED, "the renderer cannot be started"
    if list(task.work_dir.glob("*.crash.txt")) or exit_code < 0:
        return (
            ErrorKind.RENDERER_CRASHED,
            f"the renderer crashed (exit code {exit_code})",
        )
    return (
        ErrorKind.NO_OUTPUT_FILE,
        f"the renderer ended with code {exit_code} and left no picture",
    )
