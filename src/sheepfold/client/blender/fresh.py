"""A new Blender for each frame: slower, but nothing of an earlier frame can reach the next."""

import time
from pathlib import Path

from sheepfold.client.blender import command
from sheepfold.client.blender.output import parse_line
from sheepfold.client.blender.process import Log, ProcessTree, RenderStoppedError
from sheepfold.client.blender.results import find_image, why_no_image
from sheepfold.client.room import is_full
from sheepfold.client.sandbox import Cage
from sheepfold.client.task import (
    Progress,
    ProgressListener,
    Rendered,
    RenderFailed,
    RenderOutcome,
    RenderTask,
    StopFlag,
)
from sheepfold.protocol.codes import ErrorKind

SCRIPT_NAME = "setup.py"


class ProgressTracker:
    """Gathers the facts of the lines of one frame and tells the listener when they change."""

    def __init__(self, tree: ProcessTree, listener: ProgressListener) -> None:
        self._tree, self._listener = tree, listener
        self.started = time.monotonic()
        self._fraction: float | None = None
        self._told = 0.0
        self._said_peak_kib = 0
        self._sampling_since: float | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def preparation(self) -> float:
        """Seconds before the first sample: what loading and synchronising the scene took."""
        return self.seconds if self._sampling_since is None else self._sampling_since

    @property
    def peak_kib(self) -> int:
        return max(self._tree.peak_kib, self._said_peak_kib)

    def hear(self, line: str) -> None:
        """Take one line in. Raises RenderStoppedError when it announces a failure."""
        facts = parse_line(line)
        if facts.error is not None:
            raise RenderStoppedError(facts.error, line.strip())
        self._said_peak_kib = max(self._said_peak_kib, facts.peak_kib or 0)
        if facts.fraction is not None:
            self._fraction = facts.fraction
            self._sampling_since = self.seconds if self._sampling_since is None else self._sampling_since
        if facts.fraction is not None or facts.remaining is not None:
            self._tell(facts.remaining)

    def _tell(self, remaining: float | None) -> None:
        if self.seconds - self._told < 0.2 and self._fraction != 1.0:
            return
        self._told = self.seconds
        if remaining is None and self._fraction:
            remaining = self.seconds * (1 - self._fraction) / self._fraction
        self._listener(Progress(self._fraction, self.seconds, remaining, self.peak_kib))


class FreshRenderer:
    """Renders each task in a process of its own, inside the cage."""

    def __init__(self, cage: Cage) -> None:
        self._cage = cage

    def render(self, task: RenderTask, listener: ProgressListener, stop: StopFlag) -> RenderOutcome:
        """Render one frame. Failures come back as values."""
        log = Log()
        started = time.monotonic()
        try:
            tree = self._start(task)
        except OSError as error:
            message = f"the renderer cannot be started: {error}"
            return RenderFailed(
                ErrorKind.NO_DISK_SPACE if is_full(error) else ErrorKind.EXECUTE_FAILED,
                message,
                time.monotonic() - started,
                0,
                message,
            )
        try:
            return _follow(tree, task, ProgressTracker(tree, listener), log, stop)
        finally:
            tree.kill()

    def close(self) -> None:
        """Nothing outlives a frame here."""

    def _start(self, task: RenderTask) -> ProcessTree:
        words = command.arguments(task, write_script(task, task.work_dir))
        return ProcessTree(
            self._cage.wrap(words, task),
            command.environment(task),
            task.work_dir,
            task.limits.priority,
        )


def write_script(task: RenderTask, folder: Path) -> Path:
    """Put the script of a task into a folder where Blender may read."""
    path = folder / SCRIPT_NAME
    path.write_text(command.script_text(task), encoding="utf-8")
    return path


def _follow(
    tree: ProcessTree,
    task: RenderTask,
    tracker: ProgressTracker,
    log: Log,
    stop: StopFlag,
) -> RenderOutcome:
    spoke = False
    try:
        for line in tree.lines(task.limits, stop):
            spoke = True
            log.add(line)
            tracker.hear(line)
    except RenderStoppedError as end:
        tree.kill()
        return RenderFailed(end.kind, end.message, tracker.seconds, tracker.peak_kib, log.text())
    exit_code = tree.wait()
    image = find_image(task)
    if image is None:
        kind, message = why_no_image(task, exit_code, tracker.seconds, spoke)
        return RenderFailed(kind, message, tracker.seconds, tracker.peak_kib, log.text())
    return Rendered(image, tracker.seconds, tracker.peak_kib, log.text())
