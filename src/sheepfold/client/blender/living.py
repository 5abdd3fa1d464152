"""Renders with one Blender that stays alive from frame to frame, and with a new one where that is safer.

Starting Blender and loading the scene is most of the cost of a short frame. The pictures must be those that a new
process makes. So scenes whose frames depend on each other get a new process each time, as do scenes that misbehave
here, and now and then a frame is rendered in both ways and compared. Each decision is told with the frame.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from sheepfold.client.blender.compare import UnreadablePictureError, same_picture
from sheepfold.client.blender.feeding import FedBlender
from sheepfold.client.blender.fresh import FreshRenderer
from sheepfold.client.hardware import free_memory_kib
from sheepfold.client.room import is_full
from sheepfold.client.sandbox import Cage
from sheepfold.client.task import (
    ProgressListener,
    Rendered,
    RenderFailed,
    RenderOutcome,
    RenderTask,
    StopFlag,
)
from sheepfold.client.unpack import remove_folder
from sheepfold.protocol.codes import ErrorKind

_CHECK_SHARE = 0.04  # of all rendering time that comparing with new processes may take
_FIRST_CHECK_OF_KEPT_DATA = 3  # frames; keeping data is the one thing here that changes how Blender renders
_WORTH_KEEPING = 0.15  # share of a frame before its first sample from which keeping data pays
_WORTH_KEEPING_SECONDS = 0.5  # below, a comparison costs more than keeping can save
_SLOWER = 1.3  # a living Blender that takes so much longer than a new one has no use
_GROWTH, _GROWTH_SLACK_KIB = 1.5, 512 * 1024  # memory against what the scene takes
_MOST_FAILURES = 2
# A new process would end in the same way, or is not wanted.
_FINAL = frozenset(
    {
        ErrorKind.KILLED,
        ErrorKind.KILLED_BY_SERVER,
        ErrorKind.BLOCKED_BY_USER,
        ErrorKind.TIME_LIMIT,
        ErrorKind.ENGINE_UNAVAILABLE,
        ErrorKind.DENOISING_UNSUPPORTED,
        ErrorKind.GPU_UNSUPPORTED,
        ErrorKind.HEADLESS,
    }
)


@dataclass(slots=True)
class _Scene:
    """What was learned about one scene on this device. Times in seconds."""

    home: Path
    why_fresh: str | None = None
    failures: int = 0
    frames: int = 0
    first_seconds: float = 0.0  # loading included
    rendering: float = 0.0
    checking: float = 0.0
    usual_peak_kib: int = 0
    keep_data: bool = False
    may_keep_data: bool = True
    kept_frames: int = 0

    def add(self, frame: Rendered) -> None:
        if self.frames == 0:
            self.first_seconds = frame.seconds
        self.frames += 1
        self.kept_frames += self.keep_data
        if self.frames == 1 or self.kept_frames == 1:  # kept data takes memory, once
            self.usual_peak_kib = frame.peak_kib
        self.rendering += frame.seconds

    @property
    def check_is_due(self) -> bool:
        """Whether rendering the last frame once more, in a new process, is worth its time now."""
        if self.keep_data and self.kept_frames == _FIRST_CHECK_OF_KEPT_DATA:
            return True
        return self.checking + self.first_seconds < _CHECK_SHARE * self.rendering

    def memory_grew(self, peak_kib: int) -> bool:
        return peak_kib > self.usual_peak_kib * _GROWTH + _GROWTH_SLACK_KIB


class LivingRenderer:
    """A renderer for one device, with at most one Blender alive."""

    def __init__(self, cage: Cage, persistent_data: bool = True) -> None:
        """`persistent_data`: Blender may keep what does not change between frames, where that saves time."""
        self._cage, self._persistent_data = cage, persistent_data
        self._fresh = FreshRenderer(cage)
        self._blender: FedBlender | None = None
        self._scene: _Scene | None = None

    def render(self, task: RenderTask, listener: ProgressListener, stop: StopFlag) -> RenderOutcome:
        """Render one frame. Failures come back as values."""
        scene = self._scene_of(task)
        if scene.why_fresh is not None:
            return self._fresh.render(task, listener, stop)
        outcome = self._render_living(scene, task, listener, stop)
        if isinstance(outcome, Rendered):
            return self._learn(scene, task, outcome, listener, stop)
        self.close()
        if outcome.kind in _FINAL or stop.kind is not None:
            return outcome
        note = self._count_failure(scene, f"Blender failed while kept running: {outcome.message}")
        _empty(task.work_dir)
        return _noted(self._fresh.render(task, listener, stop), note)

    def close(self) -> None:
        """End the living Blender. The next frame starts another."""
        if self._blender is not None:
            self._blender.kill()
        self._blender = None

    def _scene_of(self, task: RenderTask) -> _Scene:
        if self._scene is None or self._scene.home != task.home:
            self.close()
            self._scene = _Scene(task.home, may_keep_data=self._persistent_data)
        return self._scene

    def _render_living(
        self, scene: _Scene, task: RenderTask, listener: ProgressListener, stop: StopFlag
    ) -> RenderOutcome:
        try:
            if self._blender is None or not self._blender.alive:
                self._blender = FedBlender(task, self._cage)
        except (OSError, ValueError) as error:
            full = isinstance(error, OSError) and is_full(error)
            kind = ErrorKind.NO_DISK_SPACE if full else ErrorKind.EXECUTE_FAILED
            return RenderFailed(kind, str(error), 0.0, 0, str(error))
        return self._blender.render(task, scene.keep_data, listener, stop)

    def _learn(
        self, scene: _Scene, task: RenderTask, frame: Rendered, listener: ProgressListener, stop: StopFlag
    ) -> RenderOutcome:
        """Draw conclusions from a good frame. The first frame of a process is as good as one of a new process."""
        scene.add(frame)
        if self._blender is not None and self._blender.history:
            reason = "; ".join(self._blender.history[:3])
            scene.why_fresh = f"each frame gets a new Blender, because frames depend on each other: {reason}"
            self.close()
            return _noted(frame, scene.why_fresh)
        if frame.living and scene.check_is_due:
            frame = self._check(scene, task, frame, listener, stop)
        elif frame.living and scene.memory_grew(frame.peak_kib):
            self.close()
            frame = _noted_frame(frame, self._count_failure(scene, "Blender's memory grows from frame to frame"))
        self._choose_keeping(scene, frame)
        return frame

    def _choose_keeping(self, scene: _Scene, frame: Rendered) -> None:
        """Keep data once a frame has shown that preparing it takes long. The first one does not count: it loads."""
        if not frame.living or self._blender is None:
            return
        if scene.may_keep_data and not self._blender.unsafe_to_keep:
            worth = max(_WORTH_KEEPING * frame.seconds, _WORTH_KEEPING_SECONDS)
            scene.keep_data = scene.keep_data or self._blender.preparation > worth

    def _check(
        self, scene: _Scene, task: RenderTask, frame: Rendered, listener: ProgressListener, stop: StopFlag
    ) -> Rendered:
        """Render the frame once more in a new process; where the two differ, the new one's picture counts."""
        if free_memory_kib() < frame.peak_kib:
            self.close()
        work_dir = task.work_dir / "check"
        work_dir.mkdir()
        fresh = self._fresh.render(replace(task, work_dir=work_dir), listener, stop)
        scene.checking += fresh.seconds
        if not isinstance(fresh, Rendered):
            return frame
        try:
            same = same_picture(frame.image, fresh.image)
        except UnreadablePictureError:
            same = False
        if not same:
            return _noted_frame(fresh, self._drop_what_differs(scene))
        if frame.seconds > _SLOWER * fresh.seconds:
            self.close()
            scene.why_fresh = "a new Blender for each frame is faster with this scene"
            return _noted_frame(frame, scene.why_fresh)
        return frame

    def _drop_what_differs(self, scene: _Scene) -> str:
        self.close()
        if scene.keep_data:
            scene.keep_data = scene.may_keep_data = False
            return "with kept data the picture differs from a new Blender's: nothing is kept from now on"
        scene.why_fresh = "the picture differs from a new Blender's: each frame gets a new one from now on"
        return scene.why_fresh

    def _count_failure(self, scene: _Scene, note: str) -> str:
        scene.failures += 1
        if scene.failures >= _MOST_FAILURES:
            note = f"{note}; each frame gets a new Blender from now on"
            scene.why_fresh = note
        return note


def _noted(outcome: RenderOutcome, note: str) -> RenderOutcome:
    return _noted_frame(outcome, note) if isinstance(outcome, Rendered) else outcome


def _noted_frame(frame: Rendered, note: str) -> Rendered:
    return replace(frame, notes=(*frame.notes, note))


def _empty(folder: Path) -> None:
    remove_folder(folder)
    folder.mkdir()
