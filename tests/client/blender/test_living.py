"""A Blender that stays alive makes the same pictures as a new one, and makes way for a new one where it must."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from sheepfold.client.blender.compare import read_pixels
from sheepfold.client.blender.feeding import FedBlender
from sheepfold.client.blender.fresh import FreshRenderer
from sheepfold.client.sandbox import NoCage
from sheepfold.client.task import Rendered, RenderTask, StopFlag

COMMANDLINE = ".e --factory-startup --disable-autoexec -b .c -o .o -f .f -x 1"
MAKE_SCENE = Path(__file__).parent / "make_scene.py"


def ignore(_progress: object) -> None:
    """Progress does not matter here."""


@pytest.fixture
def make_task(tmp_path: Path, blender_dir: Path) -> Callable[..., RenderTask]:
    def make(features: str, frame: int = 1, script: str = "import bpy", name: str = "living") -> RenderTask:
        scene = tmp_path / "scene" / f"{features.replace(' ', '-')}.blend"
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


@pytest.mark.parametrize("keep_data", [False, True], ids=["plain", "kept"])
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
def test_living_blender_makes_the_pixels_of_a_new_one(
    features: str, keep_data: bool, make_task: Callable[..., RenderTask]
) -> None:
    frames = (1, 2, 4, 3, 9)
    blender = FedBlender(make_task(features, 99), NoCage())
    living = []
    for frame in frames:
        outcome = blender.render(make_task(features, frame), keep_data, ignore, StopFlag())
        living.append(picture(outcome))
    history = blender.history
    blender.kill()

    for frame, pixels in zip(frames, living, strict=True):
        fresh = FreshRenderer(NoCage()).render(make_task(features, frame, name="fresh"), ignore, StopFlag())
        assert numpy.array_equal(picture(fresh), pixels), f"frame {frame} differs"
    assert history == []
