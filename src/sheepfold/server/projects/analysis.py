"""Looks into a scene without running Blender and says what its owner should know."""

import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from blender_asset_tracer.blendfile.exceptions import BlendFileError, NoReaderImplemented, SegmentationFault

from sheepfold.protocol.limits import MAX_FRAME
from sheepfold.server.projects.archives import DEFAULT_LIMITS, ArchiveLimits
from sheepfold.server.projects.blend_scene import read_scene
from sheepfold.server.projects.decompression import make_plain
from sheepfold.server.projects.dependencies import external_files, is_there, namesake
from sheepfold.server.projects.facts import ExternalFile, FileKind, Problem, ProblemKind, Report, SceneFacts, Severity
from sheepfold.server.projects.formats import ALIASES, OutputFormat
from sheepfold.server.projects.names import BadArchive

DAMAGE = (
    BlendFileError,
    NoReaderImplemented,
    SegmentationFault,
    struct.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OverflowError,
)  # BAT trusts its input: damaged files end in any of these
SHOWN = 20  # problems of one kind; more are counted
MAX_PIXELS = 1 << 28  # Blender takes 65,536 each way, but no machine has the memory
MAX_RESOLUTION = 65_536
ENGINES = frozenset(
    {"CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH", "BLENDER_RENDER", "BLENDER_OPENGL"}
)
NEED_DISPLAY = {"BLENDER_EEVEE": "EEVEE", "BLENDER_EEVEE_NEXT": "EEVEE", "BLENDER_WORKBENCH": "Workbench"}
MOVIES = frozenset({"FFMPEG", "AVI_RAW", "AVI_JPEG", "FRAMESERVER"})


def analyse(folder: Path, blend: str, names: Collection[str], limits: ArchiveLimits = DEFAULT_LIMITS) -> Report:
    """Look into `blend`, a path inside the folder, which holds the .blend files of the upload; `names`: all its files.

    Compressed .blend files in the folder are replaced by plain ones. Raises BadArchive if the scene cannot be read.
    """
    for path in folder.rglob("*.[bB][lL][eE][nN][dD]"):
        make_plain(path, limits)
    try:
        facts = read_scene(folder / blend)
    except DAMAGE as error:
        raise BadArchive(f"`{blend}` is damaged or was not saved by Blender ({error}); save it again") from error
    try:
        facts = replace(facts, files=tuple(external_files(folder, blend)))
    except DAMAGE as error:
        unchecked = f"which files the scene needs could not be found out ({error}); look at the first frames"
        return Report(facts, (*problems(facts, names), _warn(ProblemKind.UNCHECKED, unchecked)))
    return Report(facts, tuple(problems(facts, names)))


def problems(facts: SceneFacts, names: Collection[str]) -> list[Problem]:
    """What the owner should know, what forbids rendering first."""
    found = [*_settings(facts), *_missing(facts, names), *_left_out(facts)]
    return sorted(found, key=lambda one: one.severity is not Severity.REFUSE)


def _settings(facts: SceneFacts) -> Iterator[Problem]:
    if not facts.camera:
        yield _refuse(ProblemKind.NO_CAMERA, f"the scene `{facts.scene}` has no camera; add one and make it active")
    yield from _frames(facts)
    yield from _size(facts)
    yield from _engine(facts)
    if facts.file_format in MOVIES:
        text = "its output is a film: the farm renders PNG frames and makes the film of them at the end"
        yield _warn(ProblemKind.MOVIE, text)
    elif facts.file_format not in OutputFormat.__members__ and facts.file_format not in ALIASES:
        yield _warn(ProblemKind.MOVIE, f"its output format ({facts.file_format}) is not offered: frames become PNG")
    if len(facts.scenes) > 1:
        others = len(facts.scenes) - 1
        text = f"of {len(facts.scenes)} scenes in the file `{facts.scene}` is rendered, not the other {others}"
        yield _warn(ProblemKind.SEVERAL_SCENES, text)
    if facts.stereo:
        yield _warn(ProblemKind.STEREO, "it renders in stereo: only one image a frame is kept; turn Stereoscopy off")


def _frames(facts: SceneFacts) -> Iterator[Problem]:
    first, last = facts.frame_start, facts.frame_end
    if last < first:
        yield _refuse(ProblemKind.NO_FRAMES, f"its last frame ({last}) lies before its first ({first})")
    elif first < 0 or last > MAX_FRAME:
        text = f"its frames are {first} to {last}; the farm renders 0 to {MAX_FRAME}: change the range and save it"
        yield _refuse(ProblemKind.NO_FRAMES, text)


def _size(facts: SceneFacts) -> Iterator[Problem]:
    width, height = facts.size_at(facts.percentage)
    if width < 1 or height < 1:
        yield _refuse(ProblemKind.SIZE, f"its images are {width} × {height} pixels; set the resolution and save it")
    elif max(width, height) > MAX_RESOLUTION or width * height > MAX_PIXELS:
        yield _refuse(ProblemKind.SIZE, f"its images are {width} × {height} pixels, more than machines can hold")


def _engine(facts: SceneFacts) -> Iterator[Problem]:
    if facts.engine not in ENGINES:
        text = f"its engine `{facts.engine}` is an add-on that machines do not have; choose Cycles, EEVEE or Workbench"
        yield _refuse(ProblemKind.ENGINE, text)
    elif facts.engine in NEED_DISPLAY:
        text = f"{NEED_DISPLAY[facts.engine]} needs a graphics card: machines without one cannot render it"
        yield _warn(ProblemKind.ENGINE, text)


def _missing(facts: SceneFacts, names: Collection[str]) -> Iterator[Problem]:
    known = frozenset(names)
    missing = {file.path: file for file in facts.files if not is_there(file, known)}
    for file in list(missing.values())[:SHOWN]:
        yield _missing_file(file, known)
    if len(missing) > SHOWN:
        yield _warn(ProblemKind.MISSING_FILE, f"{len(missing) - SHOWN} more files are missing")


def _missing_file(file: ExternalFile, names: Collection[str]) -> Problem:
    subject = f"the {file.kind} `{file.path}` (used by {file.user})"
    found = namesake(file, names)
    if not file.place:
        hint = f"the upload has `{found}`: " if found else ""
        text = f"{subject} is outside the upload: {hint}choose File › External Data › Make Paths Relative, then upload"
        return _warn(ProblemKind.ABSOLUTE_PATH, f"{text} the scene's folder as .zip")
    if found:
        text = f"{subject} is missing; the upload has `{found}`: give it the same name and place"
    elif file.kind in (FileKind.LIBRARY, FileKind.CACHE):
        text = f"{subject} is missing; upload the scene's folder with it as .zip"
    else:
        text = (
            f"{subject} is missing; choose File › External Data › Pack Resources, or upload the scene's folder as .zip"
        )
    return _warn(ProblemKind.MISSING_FILE, text)


def _left_out(facts: SceneFacts) -> Iterator[Problem]:
    if facts.writes_files:
        text = "File Output nodes of the compositor write nothing on the farm: only the rendered image is kept"
        yield _warn(ProblemKind.FILE_OUTPUT, text)
    for name in facts.scripts[:SHOWN]:
        yield _warn(ProblemKind.SCRIPT, f"the script `{name}` does not run on machines of others: apply what it does")
    for expression in facts.drivers[:SHOWN]:
        text = f"the driver `{expression}` needs Python, which is off on machines of others: bake it to keyframes"
        yield _warn(ProblemKind.DRIVER, text)
    for simulation in facts.unbaked[:SHOWN]:
        yield _warn(ProblemKind.UNBAKED, f"the simulation ({simulation}) is not baked: bake it, or frames will not fit")


def _refuse(kind: ProblemKind, text: str) -> Problem:
    return Problem(kind, Severity.REFUSE, text)


def _warn(kind: ProblemKind, text: str) -> Problem:
    return Problem(kind, Severity.WARN, text)
