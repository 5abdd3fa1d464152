"""The active scene of a plain .blend file, read from its bytes with the description of types that the file carries.

Names and numbers are those of Blender's DNA_*_types.h; verified with files of Blender 3.4, 4.2 and 5.0.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blender_asset_tracer.blendfile import BlendFile, BlendFileBlock
from blender_asset_tracer.blendfile.iterators import listbase

from sheepfold.server.projects.facts import Crop, SceneFacts
from sheepfold.server.projects.names import BadArchive

IMAGE_TYPES = {
    0: "TARGA", 1: "IRIS", 4: "JPEG", 7: "IRIS", 14: "TARGA_RAW", 15: "AVI_RAW", 16: "AVI_JPEG", 17: "PNG", 20: "BMP",
    21: "HDR", 22: "TIFF", 23: "OPEN_EXR", 24: "FFMPEG", 25: "FRAMESERVER", 26: "CINEON", 27: "DPX",
    28: "OPEN_EXR_MULTILAYER", 29: "DDS", 30: "JPEG2000", 31: "FFMPEG", 32: "FFMPEG", 33: "FFMPEG", 34: "PSD",
    35: "WEBP", 36: "FFMPEG",
}  # fmt: skip
COLOR_MODES = {8: "BW", 24: "RGB", 32: "RGBA"}
BORDER, CROP = 0x200, 0x800  # r.mode
SEQUENCER, MULTIVIEW = 0x1, 0x200000  # r.scemode
REGISTER = 0x10  # Text.flags: "Register", that is, run when the file is opened
MUTED = 0x200  # bNode.flag
PYTHON_DRIVER = 1  # ChannelDriver.type
BAKED = 0x1  # PointCache.flag
DEVICE_GPU = 1
CLOTH = 22  # ModifierData.type
SIMPLE = re.compile(
    r"frame|and|or|not|if|else|True|False|pi|e|abs|a?(?:cos|sin|tan)h?|atan2|bool|cbrt|ceil|clamp|degrees|exp2?|expm1|fabs"
    r"|float|floor|fmod|fsum|hypot|int|ldexp|lerp|log(?:10|1p|2)?|max|min|pow|radians|round|smoothstep|sqrt|trunc"
)  # what Blender computes in a driver without Python


def read_scene(path: Path) -> SceneFacts:
    """Facts without `files`. Raises BadArchive if the file has no scene; what BAT raises if it is damaged."""
    with BlendFile(path) as blend:
        scenes = blend.find_blocks_from_code(b"SC")
        if not scenes:
            raise BadArchive("the .blend has no scene, only data for other files; upload the file that uses it")
        return _facts(blend, _active(blend, scenes), scenes, path.stat().st_size)


def version_of(header_version: int) -> str:
    """304 → `3.4`, 279 → `2.79`: before Blender 3 the second number had two digits."""
    major, minor = divmod(header_version, 100)
    return f"{major}.{minor:02}" if major < 3 else f"{major}.{minor}"


def _facts(blend: BlendFile, scene: BlendFileBlock, scenes: list[BlendFileBlock], size: int) -> SceneFacts:
    version = blend.header.version
    engine = _text(scene, b"r", b"engine") or "BLENDER_RENDER"
    format_number = scene.get((b"r", b"im_format", b"imtype"), scene.get((b"r", b"imtype"), 17))
    return SceneFacts(
        version=version_of(version),
        scene=_name(scene),
        scenes=tuple(_name(one) for one in scenes),
        frame_start=scene.get((b"r", b"sfra")),
        frame_end=scene.get((b"r", b"efra")),
        frame_step=max(1, scene.get((b"r", b"frame_step"), 1)),
        fps=round(scene.get((b"r", b"frs_sec"), 24) / (scene.get((b"r", b"frs_sec_base"), 1.0) or 1.0), 3),
        width=scene.get((b"r", b"xsch")),
        height=scene.get((b"r", b"ysch")),
        percentage=scene.get((b"r", b"size")),
        crop=_crop(scene),
        engine=engine,
        samples=_samples(scene, engine, version),
        file_format=IMAGE_TYPES.get(format_number, f"number {format_number}"),
        color_mode=COLOR_MODES.get(scene.get((b"r", b"im_format", b"planes"), 24), "RGB"),
        camera=_camera(scene),
        uses_gpu=_cycles(scene).get("device") == DEVICE_GPU,
        stereo=bool(scene.get((b"r", b"scemode"), 0) & MULTIVIEW),
        writes_files=any(_is_file_output(node) for node in _of_type(blend, "bNode")),
        scripts=tuple(_name(text) for text in blend.find_blocks_from_code(b"TX") if text.get(b"flags", 0) & REGISTER),
        drivers=tuple(sorted(set(_python_drivers(blend)))),
        unbaked=tuple(_unbaked(blend, scene)),
        size=size,
    )


def _active(blend: BlendFile, scenes: list[BlendFileBlock]) -> BlendFileBlock:
    for block in blend.find_blocks_from_code(b"GLOB"):
        address = block.get(b"curscene", 0)
        return next((scene for scene in scenes if scene.addr_old == address), scenes[0])
    return scenes[0]


def _crop(scene: BlendFileBlock) -> Crop | None:
    mode = scene.get((b"r", b"mode"), 0)
    if not (mode & BORDER and mode & CROP):
        return None
    edges = (scene.get((b"r", b"border", edge)) for edge in (b"xmin", b"xmax", b"ymin", b"ymax"))
    return Crop(*edges)


def _camera(scene: BlendFileBlock) -> str:
    """The scene's camera, else one that a marker switches to, else the sequencer, which needs none."""
    holders = [scene, *listbase(scene.get_pointer((b"markers", b"first"), None))]
    cameras = (holder.get_pointer(b"camera", None) for holder in holders)
    found = next((camera for camera in cameras if camera is not None), None)
    if found is not None:
        return _name(found)
    return "sequencer" if _has_strips(scene) else ""


def _has_strips(scene: BlendFileBlock) -> bool:
    editor = scene.get_pointer(b"ed", None)
    used = scene.get((b"r", b"scemode"), 0) & SEQUENCER
    return bool(used and editor is not None and editor.get((b"seqbase", b"first"), 0))


def _samples(scene: BlendFileBlock, engine: str, version: int) -> int | None:
    if engine.startswith("BLENDER_EEVEE"):
        return _number(scene.get((b"eevee", b"taa_render_samples"), None))
    if engine == "CYCLES":
        unset = 4096 if version >= 300 else 128 if version >= 280 else 10  # what is as in a new scene is not stored
        return _number(_cycles(scene).get("samples", unset))
    return None


def _cycles(scene: BlendFileBlock) -> dict[str, Any]:
    """Settings of Cycles that were ever changed: an add-on's, so they lie among the custom properties."""
    for place in (b"system_properties", b"properties"):  # the first is Blender 5
        root = scene.get((b"id", place), 0)
        group = scene.get_pointer((b"id", place)) if root else None
        for one in _members(group):
            if _text(one, b"name") == "cycles":
                return {_text(value, b"name"): value.get((b"data", b"val"), None) for value in _members(one)}
    return {}


def _members(group: BlendFileBlock | None) -> Iterator[BlendFileBlock]:
    if group is not None:
        yield from listbase(group.get_pointer((b"data", b"group", b"first"), None))


def _is_file_output(node: BlendFileBlock) -> bool:
    return _text(node, b"idname") == "CompositorNodeOutputFile" and not node.get(b"flag", 0) & MUTED


def _python_drivers(blend: BlendFile) -> Iterator[str]:
    """Expressions that Blender computes only with Python, which stays off on machines of others."""
    for driver in _of_type(blend, "ChannelDriver"):
        expression = _text(driver, b"expression")
        if driver.get(b"type", 0) == PYTHON_DRIVER and not _is_simple(expression, _variables(driver)):
            yield expression


def _variables(driver: BlendFileBlock) -> set[str]:
    return {_text(one, b"name") for one in listbase(driver.get_pointer((b"variables", b"first"), None))}


def _is_simple(expression: str, variables: set[str]) -> bool:
    numbers_gone = re.sub(r"\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+", "0", expression)
    names = set(re.findall(r"[A-Za-z_]\w*", numbers_gone)) - variables
    return "." not in numbers_gone and all(SIMPLE.fullmatch(name) for name in names)


def _unbaked(blend: BlendFile, scene: BlendFileBlock) -> Iterator[str]:
    """Simulations that are computed from frame to frame: a machine that starts in the middle cannot."""
    for thing in blend.find_blocks_from_code(b"OB"):
        for modifier in listbase(thing.get_pointer((b"modifiers", b"first"), None), (b"modifier", b"next")):
            if modifier.get((b"modifier", b"type"), 0) == CLOTH and _is_unbaked(modifier, b"point_cache"):
                yield f"cloth of {_name(thing)}"
    world = scene.get_pointer(b"rigidbody_world", None)
    shared = world.get_pointer(b"shared", None) if world is not None else None
    if shared is not None and _is_unbaked(shared, b"pointcache"):
        yield "rigid bodies"


def _is_unbaked(holder: BlendFileBlock, pointer: bytes) -> bool:
    cache = holder.get_pointer(pointer, None)
    return cache is not None and not cache.get(b"flag", 0) & BAKED


def _of_type(blend: BlendFile, name: str) -> Iterator[BlendFileBlock]:
    index = blend.sdna_index_from_id.get(name.encode())
    return (block for block in blend.blocks if block.code == b"DATA" and block.sdna_index == index)


def _name(block: BlendFileBlock) -> str:
    """Without the two letters of its type. What is linked from another file has a block of another shape."""
    name = block.get((b"id", b"name"), None) or block.get(b"name", b"")
    return str(name[2:].decode("utf-8", "replace"))


def _text(block: BlendFileBlock, *path: bytes) -> str:
    value = block.get(path[0] if len(path) == 1 else path, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
