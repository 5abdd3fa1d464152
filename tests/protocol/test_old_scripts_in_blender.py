"""The script of a client of 2015, run by today's Blender as that client would run it."""

import subprocess
from pathlib import Path

import pytest

from sheepfold.protocol.generations import Generation, traits_of

# Such clients write their own lines first; the farm's part of the script follows.
SCRIPT = """import bpy
bpy.context.user_preferences.filepaths.temporary_directory = {folder!r}
print("farm's part runs", bpy.context.preferences.filepaths.temporary_directory)
"""


def run_blender(folder: Path, *words: str) -> str:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(folder=str(folder)))
    command = ["blender", "--factory-startup", "--disable-autoexec", "-b", *words, "-P", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize("generation", [Generation.JAVA_2015, Generation.JAVA_2017])
def test_script_of_an_old_client_reaches_the_farms_part_trap_23(tmp_path: Path, generation: Generation) -> None:
    output = run_blender(tmp_path, *traits_of(generation).commandline_words())

    assert f"farm's part runs {tmp_path}" in output


def test_script_of_an_old_client_would_end_without_the_added_words(tmp_path: Path) -> None:
    output = run_blender(tmp_path)

    assert "has no attribute 'user_preferences'" in output
    assert "farm's part runs" not in output
