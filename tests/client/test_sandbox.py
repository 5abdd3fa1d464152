"""What a scene's script cannot do, in each cage, with real Blender."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sheepfold.client.blender.fresh import FreshRenderer
from sheepfold.client.config import CageChoice
from sheepfold.client.sandbox import Bubblewrap, Cage, Landlock, NoCageError, choose_cage, works
from sheepfold.client.task import Rendered, RenderFailed, RenderLimits, RenderTask, StopFlag

# Tries everything once, writes what came of it beside the picture, and lets the frame render.
HOSTILE = """
import bpy, json, os, socket, subprocess
def attempt(action):
    try:
        return "allowed: " + repr(action())[:60]
    except Exception as error:
        return "refused: " + type(error).__name__
results = {{
    "read the owner's file": attempt(lambda: open({secret!r}).read()),
    "list the owner's folder": attempt(lambda: os.listdir({home!r})),
    "write outside": attempt(lambda: open({outside!r}, "w").write("x")),
    "write into the system": attempt(lambda: open("/usr/bin/sheepfold-was-here", "w").write("x")),
    "change the scene": attempt(lambda: open(bpy.data.filepath, "r+b").write(b"x")),
    "talk to this machine": attempt(lambda: socket.create_connection(("127.0.0.1", {port}), 2)),
    "talk by datagram": attempt(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("10.0.0.1", 53))),
    "read the accounts": attempt(lambda: open("/etc/shadow").read()),
}}
with open(os.path.join(os.environ["HOME"], "results.json"), "w") as out:
    json.dump(results, out)
"""

CAGES = [Bubblewrap(), Landlock()]


@pytest.fixture
def task(tmp_path: Path, blender_dir: Path, plain_scene: Path) -> Callable[..., RenderTask]:
    def make(script: str, limits: RenderLimits | None = None) -> RenderTask:
        home = tmp_path / "cage"
        (home / "frame").mkdir(parents=True)
        return RenderTask(
            job=42,
            frame=1,
            renderer_dir=blender_dir,
            scene_dir=plain_scene.parent,
            scene=plain_scene.name,
            home=home,
            work_dir=home / "frame",
            commandline=".e --factory-startup -b .c -o .o -f .f -x 1",
            script=script,
            limits=limits or RenderLimits(),
        )

    return make


def ignore(_progress: object) -> None:
    """Progress does not matter here."""


@pytest.mark.parametrize("cage", CAGES, ids=lambda cage: cage.name)
def test_hostile_script_is_refused_everything_and_the_frame_still_renders(
    cage: Cage, task: Callable[..., RenderTask], tmp_path: Path, listening_port: int
) -> None:
    secret, outside = tmp_path / "owner" / "secret.txt", tmp_path / "owner" / "written"
    secret.parent.mkdir()
    secret.write_text("diary")
    names = {"secret": str(secret), "home": str(secret.parent), "outside": str(outside), "port": listening_port}
    mine = task(HOSTILE.format(**names))
    before = (mine.scene_dir / mine.scene).read_bytes()

    outcome = FreshRenderer(cage).render(mine, ignore, StopFlag())

    assert isinstance(outcome, Rendered), outcome
    results = json.loads((mine.home / "results.json").read_text())
    assert {name: result for name, result in results.items() if not result.startswith("refused")} == {}
    assert len(results) == 8
    assert not outside.exists()
    assert not Path("/usr/bin/sheepfold-was-here").exists()
    assert (mine.scene_dir / mine.scene).read_bytes() == before


# Makes a scene with a text that Blender would run when it opens it.
CARRIER = """
import bpy, sys
text = bpy.data.texts.new("start.py")
text.write("import os; open(os.path.join(os.environ['HOME'], 'it-ran'), 'w').close()")
text.use_module = True
bpy.context.scene.render.resolution_x = bpy.context.scene.render.resolution_y = 8
bpy.context.scene.render.engine = "CYCLES"
bpy.context.scene.cycles.use_denoising = False
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""


@pytest.mark.parametrize("allowed", [False, True], ids=["forbidden", "allowed"])
def test_program_in_the_scene_does_not_run_whatever_the_farm_says(
    allowed: bool, task: Callable[..., RenderTask], tmp_path: Path
) -> None:
    scene = tmp_path / "scenes" / "carrier.blend"
    scene.parent.mkdir()
    words = ["blender", "-b", "--factory-startup", "--python-expr", CARRIER, "--", str(scene)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    switch = "--enable-autoexec" if allowed else "--disable-autoexec"
    mine = replace(
        task("import bpy"),
        scene_dir=scene.parent,
        scene=scene.name,
        commandline=f".e --factory-startup {switch} -b .c -o .o -f .f",
    )
    assert isinstance(FreshRenderer(Bubblewrap()).render(mine, ignore, StopFlag()), Rendered)
    assert not (mine.home / "it-ran").exists()
    own = [str(mine.renderer_dir / "rend.exe"), "-b", "--factory-startup", "--enable-autoexec", str(scene)]
    subprocess.run(own, check=True, capture_output=True, timeout=60, env={**os.environ, "HOME": str(mine.home)})
    assert (mine.home / "it-ran").exists(), "the scene does carry a program"


# Bounded, so that a cage that fails the test does not bring the machine down.
FORKS = """
import os, time
for _ in range(400):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(60)
"""


@pytest.mark.parametrize("cage", CAGES, ids=lambda cage: cage.name)
def test_script_that_forks_without_end_is_ended_with_all_its_children(
    cage: Cage, task: Callable[..., RenderTask]
) -> None:
    before = running_children()
    outcome = FreshRenderer(cage).render(task(FORKS), ignore, StopFlag())
    assert isinstance(outcome, RenderFailed)
    assert "processes" in outcome.message
    assert running_children() <= before


def running_children() -> set[int]:
    """Children of this process that still run; other tests may have left it a helper of multiprocessing."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


def test_memory_limit_ends_the_frame(task: Callable[..., RenderTask]) -> None:
    greedy = task(
        "import time\nhog = bytearray(b'x') * 900_000_000\ntime.sleep(60)\n", RenderLimits(memory_kib=400_000)
    )
    outcome = FreshRenderer(Bubblewrap()).render(greedy, ignore, StopFlag())
    assert isinstance(outcome, RenderFailed)
    assert outcome.message.endswith("390 MiB are allowed")


def test_time_limit_ends_the_frame(task: Callable[..., RenderTask]) -> None:
    outcome = FreshRenderer(Bubblewrap()).render(
        task("import time\ntime.sleep(60)\n", RenderLimits(seconds=1)), ignore, StopFlag()
    )
    assert isinstance(outcome, RenderFailed)
    assert outcome.message == "the frame took longer than 1 s"


def test_bubblewrap_is_preferred_and_landlock_steps_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_cage(CageChoice.AUTO).name == "bubblewrap"
    monkeypatch.setattr("sheepfold.client.sandbox.shutil.which", lambda name: None)
    assert choose_cage(CageChoice.AUTO).name == "Landlock"
    assert not works(Bubblewrap())
    with pytest.raises(NoCageError, match="apt install bubblewrap"):
        choose_cage(CageChoice.BUBBLEWRAP)


@pytest.mark.parametrize("make", [Bubblewrap, Landlock])
def test_folder_that_the_owner_shows_can_be_read_but_not_changed(
    make: type[Bubblewrap | Landlock], task: Callable[..., RenderTask], tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("for all")
    mine = task("import bpy")
    words = make([str(shown)]).wrap(["sh", "-c", f"cat {shown}/file; echo x > {shown}/file"], mine)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("for all", 2)
    assert (shown / "file").read_text() == "for all"
