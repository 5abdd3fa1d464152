"""A Blender that stays alive makes the same pictures as a new one, and makes way for a new one where it must."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

import sheepfold.client.blender.living as living_module
from sheepfold.client.blender.compare import read_pixels
from sheepfold.client.blender.feeding import FedBlender
from sheepfold.client.blender.fresh import FreshRenderer
from sheepfold.client.blender.living import LivingRenderer
from sheepfold.client.sandbox import NoCage
from sheepfold.client.task import Rendered, RenderFailed, RenderLimits, RenderTask, StopFlag
from sheepfold.protocol.codes import ErrorKind

COMMANDLINE = ".e --factory-startup --disable-autoexec -b .c -o .o -f .f -x 1"
MAKE_SCENE = Path(__file__).parent / "make_scene.py"


def ignore(_progress: object) -> None:
    """Progress does not matter here."""


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scenes lie that one test made and others use again."""
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture
def make_task(tmp_path: Path, blender_dir: Path, scenes: Path) -> Callable[..., RenderTask]:
    def make(features: str, frame: int = 1, script: str = "import bpy", name: str = "living") -> RenderTask:
        scene = scenes / f"{features.replace(' ', '-')}.blend"
        if not scene.exists():
            words = ["blender", "-b", "--factory-startup", "-P", str(MAKE_SCENE), "--", *features.split(), str(scene)]
            subprocess.run(words, check=True, capture_output=True, timeout=120)
        home = tmp_path / name
        work_dir = home / f"frame-{frame}"
        work_dir.mkdir(parents=True)
        return RenderTask(
            job=42,
            frame=frame,
            renderer_dir=blender_dir,
            scene_dir=scene.parent,
            scene=scene.name,
            home=home,
            work_dir=work_dir,
            commandline=COMMANDLINE,
            script=script,
        )

    return make


def picture(outcome: object) -> numpy.ndarray:
    assert isinstance(outcome, Rendered), outcome
    return read_pixels(outcome.image)


@pytest.mark.parametrize(
    "features",
    [
        "motion_blur",
        "motion_blur persistent_data hair",
        "particles baked",
        "particles baked motion_blur",
        "compositing driver",
        "shapes visibility",
        "visibility motion_blur persistent_data compositing",
    ],
)
def test_living_blender_makes_the_pixels_of_a_new_one(features: str, make_task: Callable[..., RenderTask]) -> None:
    frames = (1, 4, 2)
    plain, kept = (feed(features, frames, keep_data, make_task) for keep_data in (False, True))
    for frame in frames:
        fresh = FreshRenderer(NoCage()).render(make_task(features, frame, name="fresh"), ignore, StopFlag())
        assert numpy.array_equal(picture(fresh), plain[frame]), f"frame {frame} differs"
        assert numpy.array_equal(picture(fresh), kept[frame]), f"frame {frame} differs with kept data"


def feed(
    features: str, frames: tuple[int, ...], keep_data: bool, make_task: Callable[..., RenderTask]
) -> dict[int, numpy.ndarray]:
    """The pixels of frames from one process."""
    name = f"kept-{keep_data}"
    blender = FedBlender(make_task(features, 99, name=name), NoCage())
    try:
        outcomes = {
            frame: blender.render(make_task(features, frame, name=name), keep_data, ignore, StopFlag())
            for frame in frames
        }
        assert blender.history == []
    finally:
        blender.kill()
    return {frame: picture(outcome) for frame, outcome in outcomes.items()}


def render(renderer: LivingRenderer | FreshRenderer, task: RenderTask) -> Rendered:
    outcome = renderer.render(task, ignore, StopFlag())
    assert isinstance(outcome, Rendered), outcome
    return outcome


@pytest.fixture
def renderer() -> Iterator[LivingRenderer]:
    renderer = LivingRenderer(NoCage())
    yield renderer
    renderer.close()


def test_second_frame_comes_from_the_same_process(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask]
) -> None:
    frames = [render(renderer, make_task("driver", frame)) for frame in (1, 2, 3)]
    assert [frame.living for frame in frames] == [False, True, True]
    assert [frame.notes for frame in frames] == [(), (), ()]


def test_simulation_that_is_not_baked_gets_a_new_process_for_each_frame(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask]
) -> None:
    living = [render(renderer, make_task("particles", frame)) for frame in (9, 12)]
    fresh = [render(FreshRenderer(NoCage()), make_task("particles", frame, name="fresh")) for frame in (9, 12)]
    assert [frame.living for frame in living] == [False, False]
    assert "the particles of Cube are not baked" in living[0].notes[0]
    for one, other in zip(living, fresh, strict=True):
        assert numpy.array_equal(picture(one), picture(other))


# Ends Blender at the second frame, but only the one that is fed.
CRASHES = """
import bpy, os, sys
count = []
def crash(*_):
    count.append(1)
    if len(count) > 1:
        os.abort()
bpy.app.handlers.render_pre.append(crash)
"""


def test_crash_of_the_living_process_costs_time_but_no_frame(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask]
) -> None:
    frames = [render(renderer, make_task("driver", frame, CRASHES)) for frame in (1, 2, 3, 4, 5)]
    assert [frame.living for frame in frames] == [False] * 5
    assert [len(frame.notes) for frame in frames] == [0, 1, 0, 1, 0]
    assert "Blender failed while kept running" in frames[1].notes[0]
    assert frames[3].notes[0].endswith("each frame gets a new Blender from now on")


# From its second frame on, a process turns the world red: nothing that the scene's facts could tell.
DRIFTS = """
import bpy
count = []
def drift(*_):
    count.append(1)
    if len(count) > 1:
        bpy.context.scene.world.node_tree.nodes["Background"].inputs[0].default_value = (1, 0, 0, 1)
bpy.app.handlers.render_pre.append(drift)
"""


def test_difference_is_found_and_the_new_processes_picture_counts(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living_module, "_CHECK_SHARE", 100.0)
    render(renderer, make_task("driver", 1, DRIFTS))
    second = render(renderer, make_task("driver", 2, DRIFTS))
    fresh = render(FreshRenderer(NoCage()), make_task("driver", 2, DRIFTS, name="fresh"))
    assert numpy.array_equal(picture(second), picture(fresh))
    assert second.notes == ("the picture differs from a new Blender's: each frame gets a new one from now on",)
    assert not render(renderer, make_task("driver", 3, DRIFTS)).living


def test_kept_data_is_compared_and_dropped_where_it_differs(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living_module, "_WORTH_KEEPING", 0.0)
    monkeypatch.setattr(living_module, "_WORTH_KEEPING_SECONDS", 0.0)
    monkeypatch.setattr(living_module, "same_picture", lambda one, other: False)
    frames = [render(renderer, make_task("shapes", frame)) for frame in (1, 2, 3, 4, 5, 6)]
    assert [len(frame.notes) for frame in frames] == [0, 0, 0, 0, 1, 0]
    assert frames[4].notes[0].startswith("with kept data the picture differs")
    assert not frames[4].living


GROWS = """
import bpy
kept = []
bpy.app.handlers.render_post.append(lambda *_: kept.append(bytearray(b"x") * 200_000_000))
def last_long(*_):
    import time
    if kept:
        time.sleep(1.5)
bpy.app.handlers.render_pre.append(last_long)
"""


def test_growing_memory_ends_the_living_process(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living_module, "_GROWTH_SLACK_KIB", 0)
    monkeypatch.setattr(living_module, "_GROWTH", 1.2)
    frames = [render(renderer, make_task("driver", frame, GROWS)) for frame in (1, 2, 3)]
    assert any("memory grows" in note for frame in frames for note in frame.notes)


def test_stopped_frame_is_not_tried_again(renderer: LivingRenderer, make_task: Callable[..., RenderTask]) -> None:
    stop = StopFlag()
    stop.set(ErrorKind.KILLED_BY_SERVER)
    outcome = renderer.render(make_task("driver", 1), ignore, stop)
    assert isinstance(outcome, RenderFailed)
    assert outcome.kind is ErrorKind.KILLED_BY_SERVER


def test_hung_blender_is_ended(renderer: LivingRenderer, make_task: Callable[..., RenderTask]) -> None:
    task = make_task("driver", 1, "import time\ntime.sleep(600)\n")
    outcome = renderer.render(replace(task, limits=RenderLimits(silent_seconds=2)), ignore, StopFlag())
    assert isinstance(outcome, RenderFailed)
    assert (outcome.kind, outcome.message) == (
        ErrorKind.TIME_LIMIT,
        "Blender hangs: no word and no work for 2 s",
    )


def test_commandline_that_renders_a_range_gets_new_processes(
    renderer: LivingRenderer, make_task: Callable[..., RenderTask]
) -> None:
    task = replace(make_task("driver", 3), commandline=".e --factory-startup -b .c -o .o -s .f -e .f -a")
    frame = render(renderer, task)
    assert frame.image.name == "42_0003.png"
    assert "does not ask for exactly one frame" in frame.notes[0]
