"""A Blender that runs `feeder.py` and renders frame after frame. What to make of that is decided in `living.py`."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from sheepfold.client.blender import command
from sheepfold.client.blender.fresh import ProgressTracker, write_script
from sheepfold.client.blender.process import Log, ProcessTree, RenderStoppedError
from sheepfold.client.blender.results import find_image
from sheepfold.client.sandbox import Cage
from sheepfold.client.task import (
    ProgressListener,
    Rendered,
    RenderFailed,
    RenderOutcome,
    RenderTask,
    StopFlag,
)
from sheepfold.protocol.codes import ErrorKind

_MARK = "sheepfold-feeder "
_FEEDER = "feeder.py"


class FedBlender:
    """One process for all frames of one scene."""

    def __init__(self, task: RenderTask, cage: Cage) -> None:
        """Start it. Raises ValueError when the command line is not for one frame, OSError when it cannot start."""
        feeder = task.home / _FEEDER
        words = command.arguments(task, write_script(task, task.home), frame=["-P", str(feeder)])
        feeder.write_text(resources.files(__package__).joinpath(_FEEDER).read_text(encoding="utf-8"), "utf-8")
        self._tree = ProcessTree(cage.wrap(words, task), command.environment(task), task.home, task.limits.priority)
        self._ready = False
        self.frames = 0
        self.preparation = 0.0  # seconds of the last frame before its first sample
        # Known after the first frame: why frames depend on earlier ones, and whether keeping data changes them.
        self.history: list[str] = []
        self.unsafe_to_keep = False

    @property
    def alive(self) -> bool:
        return self._tree.running

    def kill(self) -> None:
        """End it and everything that it started."""
        self._tree.kill()

    def render(self, task: RenderTask, keep_data: bool, listener: ProgressListener, stop: StopFlag) -> RenderOutcome:
        """Render one frame. After a failure the process has ended."""
        log, tracker = Log(), ProgressTracker(self._tree, listener)
        words = self._words(task, tracker, log, stop)
        try:
            self._wait_until_ready(words)
            self._order(task, keep_data)
            self._wait_until_done(words)
        except RenderStoppedError as end:
            self.kill()
            return RenderFailed(end.kind, end.message, tracker.seconds, tracker.peak_kib, log.text())
        image = find_image(task)
        if image is None:
            self.kill()
            message = "Blender rendered the frame but left no picture"
            return RenderFailed(ErrorKind.NO_OUTPUT_FILE, message, tracker.seconds, tracker.peak_kib, log.text())
        self.frames += 1
        self.preparation = tracker.preparation
        return Rendered(image, tracker.seconds, tracker.peak_kib, log.text(), living=self.frames > 1)

    def _words(self, task: RenderTask, tracker: ProgressTracker, log: Log, stop: StopFlag) -> Iterator[dict[str, Any]]:
        """What the feeder says, picked out of Blender's own lines."""
        for line in self._tree.lines(task.limits, stop):
            if line.startswith(_MARK):
                yield json.loads(line.removeprefix(_MARK))
                continue
            log.add(line)
            tracker.hear(line)
        raise RenderStoppedError(ErrorKind.RENDERER_CRASHED, f"Blender ended with code {self._tree.wait()}")

    def _wait_until_ready(self, words: Iterator[dict[str, Any]]) -> None:
        if not self._ready:
            answer = next(words)
            self.history, self.unsafe_to_keep = answer["history"], answer["unsafe_to_keep"]
            self._ready = True

    def _order(self, task: RenderTask, keep_data: bool) -> None:
        order = {
            "frame": task.frame,
            "output": command.output_prefix(task),
            "keep_data": keep_data and not self.unsafe_to_keep,
        }
        try:
            self._tree.send(json.dumps(order))
        except OSError as error:
            raise RenderStoppedError(ErrorKind.RENDERER_CRASHED, f"Blender is gone: {error}") from error

    def _wait_until_done(self, words: Iterator[dict[str, Any]]) -> None:
        answer = next(words)
        if answer["word"] != "done":
            raise RenderStoppedError(ErrorKind.NO_OUTPUT_FILE, str(answer.get("reason", "no reason given")).strip())
