"""`sheepfold demo` with a scene that renders in no time; everything else is what the real demo does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import psutil
import pytest
from PIL import Image

SCENE = """
import bpy, sys
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 3
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 1, False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 64, 36, 100
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[sys.argv.index("--") + 1])
"""
COMMAND = """
import signal, sys
from pathlib import Path
import sheepfold.commands.demo as module
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background, where tests may run, ignores it
module.DEMO = Path(sys.argv.pop(1))
from sheepfold.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scene.py").write_text(SCENE)
    return tmp_path


def test_the_demo_ends_with_frames_a_film_and_one_line(folder: Path) -> None:
    process = _start(folder, "demo", "--exit", "--port", "0")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "demo: 3/3 frames, demo/animation.mp4"
    frames = sorted((folder / "frames").iterdir())
    assert [frame.name for frame in frames] == ["sheep_0001.png", "sheep_0002.png", "sheep_0003.png"]
    assert [Image.open(frame).size for frame in frames] == [(64, 36)] * 3
    with av.open(folder / "animation.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) == 3
    assert _processes_of(folder) == []


def test_an_interrupted_demo_leaves_nothing_running(folder: Path) -> None:
    process = _start(folder, "demo", "--port", "0")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("Watch it at "):
        assert process.poll() is None
    assert len(_processes_of(folder)) >= 3  # the demo, its server and its client
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "demo: interrupted, all of it is ended"
    assert _processes_of(folder) == []


def test_a_killed_demo_leaves_nothing_running(folder: Path) -> None:
    process = _start(folder, "demo", "--port", "0")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("Watch it at "):
        assert process.poll() is None
    others = [one for one in _processes_of(folder) if one.pid != process.pid]
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs(others, timeout=60)
    assert (len(gone) >= 2, alive) == (True, [])


def test_a_demo_that_cannot_go_on_says_why(folder: Path) -> None:
    (folder / "scene.py").write_text("raise ValueError('no sheep')")
    process = _start(folder, "demo", "--exit")
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert "sheepfold: Blender could not make the scene:" in errors
    assert "ValueError: no sheep" in errors
    assert _processes_of(folder) == []


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHEEPFOLD_")}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder), *arguments],
        env=inherited | {"COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Everything that runs for this demo, whoever its parent is now."""
    return [one for one in psutil.process_iter() if _mentions(one, str(folder))]


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        return any(text in word for word in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
