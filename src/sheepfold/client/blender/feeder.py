# ruff: noqa: UP032, UP006, UP035
"""Runs inside Blender: renders one frame for each line on standard input, for as long as there are lines.

It stands where `-f FRAME` would stand on the command line and calls the same function of Blender as that does.
Written for every Python that Blender has had since 2.78 (3.5): no f-strings, no annotated variables.

In: `{"frame": 12, "output": "/work/42_", "keep_data": false}`.
Out: lines that begin with MARK, then `{"word": "ready", "history": [...], "unsafe_to_keep": false}`,
`{"word": "done", "frame": 12}` or `{"word": "failed", "reason": "..."}`.
"""

import json
import sys
from typing import Any, Iterator, List

import bpy

MARK = "sheepfold-feeder "
# Modifiers whose picture of a frame depends on the frames before, unless their cache was baked.
SIMULATIONS = frozenset({"CLOTH", "SOFT_BODY", "DYNAMIC_PAINT", "FLUID", "SMOKE", "FLUID_SIMULATION"})


def tell(word: str, **facts: Any) -> None:
    """One line for whoever feeds us."""
    facts["word"] = word
    sys.stdout.write("\n" + MARK + json.dumps(facts) + "\n")
    sys.stdout.flush()


def is_baked(owner: Any) -> bool:
    """Whether the owner of a point cache has all its frames."""
    cache = getattr(owner, "point_cache", None)
    return cache is not None and bool(cache.is_baked)


def modifier_is_baked(modifier: Any) -> bool:
    """Whether a simulation reads its frames from a cache."""
    if modifier.type == "DYNAMIC_PAINT":
        canvas = modifier.canvas_settings
        return canvas is None or all(is_baked(surface) for surface in canvas.canvas_surfaces)
    domain = getattr(modifier, "domain_settings", None)
    if domain is not None:
        return bool(getattr(domain, "has_cache_baked_data", False)) or is_baked(domain)
    if modifier.type in {"FLUID", "SMOKE", "FLUID_SIMULATION"}:
        return True  # flows and effectors; the domain speaks for them
    return is_baked(modifier)


def particles_have_history(system: Any) -> bool:
    """Hair without dynamics is the same whatever came before."""
    if system.settings.type == "HAIR":
        return bool(system.use_hair_dynamics) and not is_baked(system)
    return not is_baked(system)


def history_of(thing: Any) -> Iterator[str]:
    """Words for what makes an object's picture depend on earlier frames."""
    for system in thing.particle_systems:
        if particles_have_history(system):
            yield "the particles of {} are not baked".format(thing.name)
    for modifier in thing.modifiers:
        if modifier.type in SIMULATIONS and not modifier_is_baked(modifier):
            yield "{} of {} is not baked".format(modifier.name, thing.name)


def simulates(tree: Any) -> bool:
    """Whether a node tree has a simulation zone (Blender 3.6 and newer)."""
    return any(node.bl_idname == "GeometryNodeSimulationOutput" for node in tree.nodes)


def scene_history(scene: Any) -> List[str]:
    """Everything that makes frames of the scene depend on each other."""
    found = [words for thing in scene.objects for words in history_of(thing)]
    world = getattr(scene, "rigidbody_world", None)
    if world is not None and getattr(world, "enabled", True) and not is_baked(world):
        found.append("rigid bodies are not baked")
    found.extend("{} simulates".format(tree.name) for tree in bpy.data.node_groups if simulates(tree))
    if bpy.app.handlers.frame_change_pre or bpy.app.handlers.frame_change_post:
        found.append("a script listens to frame changes")
    return found


def has_strands(thing: Any) -> bool:
    """Whether an object has hair, of either kind."""
    return thing.type == "CURVES" or any(system.settings.type == "HAIR" for system in thing.particle_systems)


def unsafe_to_keep(scene: Any) -> bool:
    """Kept data gives other pictures: Blender 3.4 blurs moving hair by the motion of the frame before."""
    return bool(scene.render.use_motion_blur) and any(has_strands(thing) for thing in scene.objects)


def set_range(scene: Any, first: int, last: int) -> None:
    """Blender moves the other end when one passes it, so the end is set on both sides of the start."""
    scene.frame_end = last
    scene.frame_start = first
    scene.frame_end = last


def render(scene: Any, order: Any) -> None:
    """What `-f` does: an animation of one frame.

    The scene's own range is put back before the scene is evaluated, for drivers may read it.
    """
    first, last = scene.frame_start, scene.frame_end

    def put_back(*_arguments: Any) -> None:
        set_range(scene, first, last)

    scene.render.filepath = order["output"]
    if hasattr(scene.render, "use_persistent_data"):
        scene.render.use_persistent_data = order["keep_data"]
    bpy.app.handlers.render_init.append(put_back)
    try:
        set_range(scene, order["frame"], order["frame"])
        bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_init.remove(put_back)
        put_back()


def serve() -> None:
    """Until the other side closes its end."""
    scene = bpy.context.scene
    tell("ready", history=scene_history(scene), unsafe_to_keep=unsafe_to_keep(scene))
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        try:
            render(scene, order)
        except RuntimeError as error:
            tell("failed", reason=str(error))
        else:
            tell("done", frame=order["frame"])


serve()
