"""A scene from the command line to frames on disk: real farm, real client, real Blender."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.conftest import Serving, Terminal

SCENE = """
import bpy, sys
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 9
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 1, False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 36, 100
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    script, scene = tmp_path / "make.py", tmp_path / "walk.blend"
    script.write_text(SCENE)
    words: list[str | Path] = ["blender", "--background", "--factory-startup", "-P", script, "--", scene]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return scene


@pytest.fixture
def client(terminal: Terminal, serving: Serving, tmp_path: Path) -> Iterator[None]:
    """A machine that renders for the farm."""
    key = tmp_path / "key"
    assert terminal.run("renderer", "add", "blender")[0] == 0
    assert terminal.run("key", "add", "admin", "--output", str(key))[0] == 0
    words = ["--server", serving.url, "--login", "admin", "--key", str(key)]
    words += ["--cache-dir", str(tmp_path / "cache"), "--ui", "json"]
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    with (tmp_path / "client.log").open("wb") as log:
        command = [sys.executable, "-m", "sheepfold", "client", *words]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    yield
    process.terminate()
    process.wait()


@pytest.mark.usefixtures("client")
def test_from_a_scene_to_frames_on_disk(terminal: Terminal, scene: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    words = ["submit", str(scene), "--frames", "2-3", "--percentage", "50", "--output", str(folder)]
    status, _, errors = terminal.run(*words)
    assert status == 0, errors
    names = ["walk_0002.png", "walk_0003.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [Image.open(folder / name).size for name in names] == [(32, 18)] * 2

    [project] = terminal.json("projects")
    assert (project["settings"]["name"], project["status"], project["progress"]["done"]) == ("walk", "finished", 2)
    number = str(project["id"])
    frames = terminal.json("frames", number)
    assert [(frame["frame"], frame["status"]) for frame in frames] == [(2, "done"), (3, "done")]
    assert all(frame["seconds"] > 0 for frame in frames)
    assert [machine["connected"] for machine in terminal.json("machines")] == [True]

    assert terminal.run("download", number, "--zip", "--output", str(tmp_path / "again"))[0] == 0
    with zipfile.ZipFile(tmp_path / "again" / "frames.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            name: (folder / name).read_bytes() for name in names
        }
    refusal = "sheepfold: the project is finished; this is possible only while it is rendering\n"
    assert terminal.run("pause", number) == (1, "", refusal)


def test_a_file_that_is_no_scene_is_refused_with_the_reason(
    terminal: Terminal, serving: Serving, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no scene")
    refusal = "notes.txt is neither a .blend nor a .zip; save the scene, or pack its folder as a .zip"
    status, output, errors = terminal.run("submit", str(text))
    assert (status, output, errors.splitlines()[-1]) == (1, "", f"sheepfold: {refusal}")
    assert terminal.json("projects") == []
    broken = tmp_path / "broken.blend"
    broken.write_bytes(b"BLENDER-v404" + bytes(1000))
    status, _, errors = terminal.run("submit", str(broken))
    assert status == 1
    assert errors.splitlines()[-1].startswith("sheepfold: the farm rejects the scene: ")
    assert [project["status"] for project in terminal.json("projects")] == ["rejected"]


def test_pausing_resuming_and_cancelling(terminal: Terminal, serving: Serving, scene: Path) -> None:
    assert terminal.run("renderer", "add", "blender")[0] == 0
    assert terminal.run("submit", str(scene))[0] == 0
    number = str(terminal.json("projects")[0]["id"])
    assert terminal.run("pause", number) == (0, f"Project {number} is paused.\n", "")
    assert terminal.run("resume", number) == (0, f"Project {number} is rendering.\n", "")
    assert terminal.run("cancel", number) == (0, f"Project {number} is cancelled.\n", "")
    assert {frame["status"] for frame in terminal.json("frames", number)} == {"cancelled"}
    assert len(terminal.json("frames", number)) == 9
