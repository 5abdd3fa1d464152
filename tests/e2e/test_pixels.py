"""The main job as a user does it, with the commands of the README: the farm's frames are Blender's own frames."""

import json
import subprocess
from pathlib import Path

import numpy
from PIL import Image

from tests.conftest import EmptyFarm
from tests.e2e.running import ClientProcess, FarmProcess, run_python

FRAMES = 12
SCENES = Path(__file__).parents[2] / "bench" / "scenes"


def sheepfold(farm: EmptyFarm, *arguments: str | Path) -> str:
    """What a command prints."""
    return run_python(farm, "-m", "sheepfold", *arguments)


def build_scene(folder: Path) -> Path:
    """A small animated scene."""
    scene = folder / "trivial.blend"
    command = ["blender", "-b", "--factory-startup", "-P", str(SCENES / "trivial.py"), "--", str(scene)]
    subprocess.run(command, check=True, capture_output=True)
    return scene


def render_directly(scene: Path, folder: Path) -> None:
    """The same frames by Blender alone, one after the other in one process."""
    command = ["blender", "--factory-startup", "--disable-autoexec", "-b", str(scene), "-o", f"{folder}/direct_####"]
    command += ["-F", "PNG", "-x", "1", "-s", "1", "-e", str(FRAMES), "-a"]
    subprocess.run(command, check=True, capture_output=True)


def pixels(path: Path) -> numpy.ndarray:
    return numpy.asarray(Image.open(path))


def test_twelve_frames_of_the_farm_have_the_pixels_of_blender(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    scene = build_scene(tmp_path)
    render_directly(scene, tmp_path)
    farm = FarmProcess(empty_farm, tmp_path / "farm.log")
    farm.start()
    sheepfold(empty_farm, "renderer", "add", "blender")
    sheepfold(empty_farm, "user", "add", "ada")
    sheepfold(empty_farm, "key", "add", "ada", "--output", tmp_path / "key")
    client = ClientProcess(farm, tmp_path / "client", (tmp_path / "key").read_text().strip(), living=True)
    client.start()

    output = tmp_path / "out"
    sheepfold(empty_farm, "submit", scene, "--frames", f"1-{FRAMES}", "--wait", "--output", output)

    rendered = sorted(output.glob("*.png"))
    assert len(rendered) == FRAMES
    for number, path in enumerate(rendered, start=1):
        assert numpy.array_equal(pixels(path), pixels(tmp_path / f"direct_{number:04d}.png")), path
    (project,) = json.loads(sheepfold(empty_farm, "projects", "--json"))
    assert project["status"] == "finished"
    client.kill()
    farm.stop()
