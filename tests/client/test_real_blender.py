"""A whole run with real Blender in its cage at a plain farm: the pictures are those that Blender makes alone."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import psutil
import pytest
from packing import zip_of
from seed_server import SeedJob, SeedServer

from sheepfold.client.blender.compare import read_pixels
from sheepfold.client.config import Settings
from sheepfold.client.events import FrameRendered
from sheepfold.client.supply import ExitCode

# What a farm's script does: choose the device, and say that it was asked to.
SCRIPT = """import bpy
def sheepit_set_compute_device(kind, device, name):
    bpy.context.scene.cycles.device = device
    print("chosen:", kind, device, name)
"""


def test_delivered_frames_have_the_pixels_of_blender_alone(
    settings: Callable[..., Settings],
    start: Callable[..., object],
    blender_renderer: bytes,
    plain_scene: Path,
    tmp_path: Path,
) -> None:
    scene = zip_of({"deep/plain.blend": plain_scene.read_bytes()})
    frames = (1, 2, 17, 5)
    jobs = [SeedJob(42, frame, "deep/plain.blend", scene, blender_renderer, script=SCRIPT) for frame in frames]
    with SeedServer(jobs) as farm:
        run = start(settings(farm.url, max_frames=4, living=True, cage="auto"))
        assert run.end() is ExitCode.OK
        uploads = farm.of("upload")
    assert [event.living for event in run.of(FrameRendered)] == [False, True, True, True]
    assert [child for child in psutil.Process().children(recursive=True) if "blender" in child.name()] == []
    words = ["blender", "-b", "--factory-startup", str(plain_scene), "-o", f"{tmp_path}/alone_"]
    numbers = ",".join(str(frame) for frame in frames)
    subprocess.run([*words, "-f", numbers], check=True, capture_output=True, timeout=120)
    for frame, call in zip(frames, uploads, strict=True):
        delivered = tmp_path / f"delivered_{frame}.png"
        delivered.write_bytes(call.file)
        alone = read_pixels(tmp_path / f"alone_{frame:04d}.png")
        assert numpy.array_equal(read_pixels(delivered), alone), f"frame {frame} differs"
        assert float(call.query["rendertime"]) > 0
        assert int(call.query["memoryused"]) > 1000


def test_scene_that_blender_cannot_open_is_reported(
    settings: Callable[..., Settings], start: Callable[..., object], blender_renderer: bytes, plain_scene: Path
) -> None:
    broken = zip_of({"plain.blend": b"BLENDER-v304" + bytes(1000)})
    good = zip_of({"plain.blend": plain_scene.read_bytes()})
    jobs = [SeedJob(42, 1, "plain.blend", scene, blender_renderer) for scene in (broken, good)]
    with SeedServer(jobs) as farm:
        assert start(settings(farm.url, max_frames=1, living=True)).end() is ExitCode.OK
        [report] = farm.of("error")
        assert report.query["type"] in ("8", "12")
        assert b"plain.blend" in report.file
        assert len(farm.of("upload")) == 1


def test_archives_without_their_main_part_are_reported(
    settings: Callable[..., Settings],
    start: Callable[..., object],
    script_renderer: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sheepfold.client.loop._FAILURE_WAITS", (0.0,))
    monkeypatch.setattr("sheepfold.client.supply._AFTER_TROUBLE", (0.0,))
    scene = zip_of({"a.blend": b"{}"})
    jobs = [
        SeedJob(42, 1, "a.blend", scene, zip_of({"readme.txt": b"no renderer"})),
        SeedJob(42, 2, "b.blend", scene, script_renderer),
        SeedJob(42, 3, "../../key", scene, script_renderer),
        SeedJob(42, 4, "a.blend", b"this is no zip", script_renderer),
        SeedJob(42, 5, "a.blend", scene, zip_of({"rend.exe": b"\0\0no program"})),
        SeedJob(42, 6, "a.blend", scene, script_renderer),
    ]
    with SeedServer(jobs) as farm:
        run = start(settings(farm.url, max_frames=1))
        farm.wait_for("error", 5, seconds=120)
        assert [call.query["type"] for call in farm.of("error")] == ["6", "7", "7", "10", "16"]
        run.client.control.stop_now()
