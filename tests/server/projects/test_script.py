"""The script that machines run, in a real Blender: what it changes, and what it leaves alone."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.script import ScriptSettings, scene_script

CPU = 'sheepit_set_compute_device("NONE", "CPU", "CPU")'

SCENE = """
import bpy
scene = bpy.context.scene
render = scene.render
render.engine = "CYCLES"
render.resolution_x, render.resolution_y, render.resolution_percentage = 64, 48, 100
render.image_settings.file_format = "FFMPEG"
render.use_placeholder, render.use_overwrite, render.use_file_extension = True, False, False
scene.cycles.samples, scene.cycles.device = 7, "GPU"
scene.use_nodes = True
node = scene.node_tree.nodes.new("CompositorNodeOutputFile")
node.base_path = FOLDER + "/beside"
scene.node_tree.links.new(scene.node_tree.nodes["Render Layers"].outputs[0], node.inputs[0])
bpy.ops.wm.save_as_mainfile(filepath=FOLDER + "/walk.blend")
"""

REPORT = """
scene = bpy.context.scene
print("REPORT " + json.dumps({
    "format": scene.render.image_settings.file_format, "mode": scene.render.image_settings.color_mode,
    "percentage": scene.render.resolution_percentage, "samples": scene.cycles.samples,
    "device": scene.cycles.device, "threads": [scene.render.threads_mode, scene.render.threads],
    "persistent": scene.render.use_persistent_data,
}))
"""


def blender(*arguments: str) -> str:
    command = ["blender", "--background", "--factory-startup", "--disable-autoexec", "-noaudio", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    (folder / "make.py").write_text(f"FOLDER = {str(folder)!r}\n{SCENE}")
    blender("--python-exit-code", "1", "-P", str(folder / "make.py"))
    return folder / "walk.blend"


def run_script(scene: Path, settings: ScriptSettings, tail: str, *arguments: str) -> str:
    script = scene.with_name("script.py")
    script.write_text(f"{scene_script(settings)}\n{tail}")
    return blender(str(scene), "-P", str(script), *arguments)


def report(output: str) -> Any:
    line = next(line for line in output.splitlines() if line.startswith("REPORT "))
    return json.loads(line.removeprefix("REPORT "))


def test_a_scene_set_to_make_a_film_renders_one_png_with_nothing_beside_it(scene: Path, tmp_path: Path) -> None:
    settings = ScriptSettings(OutputFormat.PNG, percentage=50, samples=1)
    run_script(scene, settings, CPU, "-o", f"{tmp_path}/1000_", "-f", "3", "-x", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["1000_0003.png"]
    assert not scene.with_name("beside").exists()
    with Image.open(tmp_path / "1000_0003.png") as image:
        image.load()
        assert (image.size, image.mode) == ((32, 24), "RGB")


def test_overrides_are_set_and_what_is_not_overridden_stays(scene: Path) -> None:
    output = run_script(scene, ScriptSettings(OutputFormat.OPEN_EXR, 25, samples=3, threads=1), CPU + REPORT)
    assert report(output) == {
        "format": "OPEN_EXR", "mode": "RGB", "percentage": 25, "samples": 3, "device": "CPU",
        "threads": ["FIXED", 1], "persistent": False,
    }  # fmt: skip
    output = run_script(scene, ScriptSettings(OutputFormat.JPEG, 100), CPU + REPORT)
    kept = report(output)
    assert (kept["format"], kept["samples"], kept["threads"][0]) == ("JPEG", 7, "AUTO")


def test_a_device_that_the_machine_lacks_stops_nothing(scene: Path) -> None:
    call = 'sheepit_set_compute_device("CUDA", "GPU", "CUDA_0")'
    output = run_script(scene, ScriptSettings(OutputFormat.PNG, 100), call + "\n" + REPORT)
    assert report(output)["format"] == "PNG"
    assert "Traceback" not in output


def test_every_device_is_chosen_by_id_by_number_by_beginning_or_all(scene: Path) -> None:
    choose = """
from types import SimpleNamespace as Device
devices = [Device(id="CUDA_Fox_0000:01:00"), Device(id="CUDA_Hen_0000:02:00")]
wanted = ["CUDA_Hen_0000:02:00", "CUDA_1", "CUDA_Hen", "CUDA_Cow_0000:03:00"]
print("REPORT " + json.dumps([[d.id for d in sheepfold_wanted_devices(devices, w)] for w in wanted]))
"""
    fox, hen = "CUDA_Fox_0000:01:00", "CUDA_Hen_0000:02:00"
    output = run_script(scene, ScriptSettings(OutputFormat.PNG, 100), choose)
    assert report(output) == [[hen], [hen], [hen], [fox, hen]]


def test_the_script_speaks_the_python_of_the_oldest_blender_and_leaves_bpy_at_top_level() -> None:
    """Blender 2.79 has Python 3.5; its grammar knows no f-string and no annotated variable."""
    import ast

    text = scene_script(ScriptSettings(OutputFormat.PNG, 100))
    tree = ast.parse(text, feature_version=(3, 5))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)]
    assert "bpy" in {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert text.isascii()
    assert "\x00" not in text
