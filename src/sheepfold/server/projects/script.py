"""The Python text that runs inside Blender on the machine, after the scene is loaded and before it is rendered."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files

from sheepfold.server.projects.formats import OutputFormat

TEMPLATE = files(__package__).joinpath("scene_script.py.txt")
MARK = "SHEEPFOLD_SETTINGS = {}"  # the line of the template that the settings replace


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What a project overrides in its scene. `samples`, `threads` None: as the scene says."""

    file_format: OutputFormat
    percentage: int
    samples: int | None = None
    threads: int | None = None


@lru_cache(maxsize=1024)  # every job of a project carries the same script
def scene_script(settings: ScriptSettings) -> str:
    """The whole script. Clients add their own lines before and after it, so it leaves `bpy` at top level.

    The settings go in as JSON in a Python string literal: no value can become code.
    """
    literal = repr(json.dumps(asdict(settings), sort_keys=True))
    return TEMPLATE.read_text("utf-8").replace(MARK, f"SHEEPFOLD_SETTINGS = json.loads({literal})")
