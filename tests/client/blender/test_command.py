"""The words that start Blender."""

from dataclasses import replace
from pathlib import Path

import pytest

from sheepfold.client.blender import command
from sheepfold.client.task import Device, DeviceKind, RenderLimits, RenderTask

TASK = RenderTask(
    job=42,
    frame=7,
    renderer_dir=Path("/r"),
    scene_dir=Path("/s"),
    scene="deep/a.blend",
    home=Path("/h"),
    work_dir=Path("/h/w"),
    commandline=".e --factory-startup --disable-autoexec -b .c -o .o -f .f -x 1",
    script="import bpy",
)
SCRIPT = Path("/h/setup.py")


def test_tokens_are_replaced() -> None:
    assert command.arguments(TASK, SCRIPT) == [
        "/r/rend.exe", "--factory-startup", "--disable-autoexec",
        "-b", "/s/deep/a.blend", "-P", "/h/setup.py", "-o", "/h/w/42_", "-f", "0007", "-x", "1",
    ]  # fmt: skip


def test_core_limit_follows_the_executable() -> None:
    limited = replace(TASK, limits=RenderLimits(cores=3))
    assert command.arguments(limited, SCRIPT)[:3] == ["/r/rend.exe", "-t", "3"]


@pytest.mark.parametrize(
    "line",
    [
        ".e -b .c -o .o -f .f",
        "-b .c -o .o -f .f",
        ".e --enable-autoexec -b .c -o .o -f .f",
        ".e -y -b .c -o .o -f .f",
    ],
)
def test_scripts_in_scenes_are_always_forbidden(line: str) -> None:
    assert command.arguments(replace(TASK, commandline=line), SCRIPT) == [
        "/r/rend.exe", "--disable-autoexec",
        "-b", "/s/deep/a.blend", "-P", "/h/setup.py", "-o", "/h/w/42_", "-f", "0007",
    ]  # fmt: skip


def test_feeder_stands_where_the_frame_stood() -> None:
    words = command.arguments(TASK, SCRIPT, frame=["-P", "/h/feeder.py"])
    assert words[-6:] == ["-o", "/h/w/42_", "-P", "/h/feeder.py", "-x", "1"]


@pytest.mark.parametrize("line", [".e -b .c -o .o -s .f -e .f -a", ".e -b .c -o .o -a", ".e -b .c -o .o -f 1..3"])
def test_only_one_frame_can_be_fed(line: str) -> None:
    with pytest.raises(ValueError, match="exactly one frame"):
        command.arguments(replace(TASK, commandline=line), SCRIPT, frame=["-P", "x"])


def test_script_calls_the_farms_function_for_the_device() -> None:
    gpu = Device(DeviceKind.GPU, "OPTIX", "OPTIX_card_0000:01:00", "card")
    calls: list[object] = []
    script = "def sheepit_set_compute_device(*words):\n    calls.append(words)\n"
    exec(command.script_text(replace(TASK, device=gpu, script=script)), {"calls": calls})
    exec(command.script_text(replace(TASK, script=script)), {"calls": calls})
    assert calls == [("OPTIX", "GPU", "OPTIX_card_0000:01:00"), ("NONE", "CPU", "CPU")]


def test_script_without_the_function_runs() -> None:
    exec(command.script_text(replace(TASK, script="x = 1")), {})


def test_environment_has_nothing_of_the_owner(tmp_path: Path) -> None:
    owner = {"PATH": "/bin", "HOME": "/home/anna", "SSH_AUTH_SOCK": "/s", "PYTHONPATH": "/p", "SHEEPFOLD_LOGIN": "anna"}
    found = command.environment(replace(TASK, renderer_dir=tmp_path), owner)
    assert found["PATH"] == "/bin"
    assert found["HOME"] == found["TMPDIR"] == found["BLENDER_USER_CONFIG"] == "/h"
    assert (found["CORES"], found["PRIORITY"]) == ("-1", "19")
    assert not {"SSH_AUTH_SOCK", "PYTHONPATH", "SHEEPFOLD_LOGIN", "LD_LIBRARY_PATH"} & set(found)


def test_library_folder_of_the_renderer_is_used(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    found = command.environment(replace(TASK, renderer_dir=tmp_path), {})
    assert found["LD_LIBRARY_PATH"] == str(tmp_path / "lib")


@pytest.mark.parametrize("folder", ["Blender/Blender.app", "Blender/blender.app"])
def test_executable_on_a_mac(tmp_path: Path, folder: str) -> None:
    name = folder.rpartition("/")[2].removesuffix(".app")
    expected = tmp_path / folder / "Contents/MacOS" / name
    expected.parent.mkdir(parents=True)
    expected.touch()
    assert command.executable_in(tmp_path, "darwin") == expected
    assert command.executable_in(tmp_path, "linux") == tmp_path / "rend.exe"
