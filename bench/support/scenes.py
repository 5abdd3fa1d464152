"""The scenes that the programs render, built by Blender with the scripts in `scenes/`."""

import subprocess
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scenes"


def make_scene(script: str, target: Path, *arguments: int) -> Path:
    """The scene of a script, `light` for example; its first argument is the number of frames. Returns the target."""
    words = ["blender", "-b", "--factory-startup", "-P", str(SCRIPTS / f"{script}.py"), "--", str(target)]
    subprocess.run([*words, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, timeout=300)
    return target
