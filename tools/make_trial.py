"""Make the test frame for machines: its scene and how it must look. Run it again only with a new REFERENCE_SECONDS.

Usage: blender -b --factory-startup -P tools/make_trial.py -- src/sheepfold/server/pipeline/trial_data
"""

import sys
from pathlib import Path

import bpy

WIDTH, HEIGHT, SAMPLES = 320, 180, 96


def main() -> None:
    """Something with curves, gloss, a shadow and a colour, so that a wrong picture looks wrong."""
    folder = Path(sys.argv[sys.argv.index("--") + 1]).resolve()
    scene = bpy.context.scene
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    add_head()
    add_floor()
    settings(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"), compress=True)
    scene.render.filepath = str(folder / "reference.png")
    bpy.ops.render.render(write_still=True)


def add_head() -> None:
    """A glossy head, smooth enough to keep a processor busy."""
    bpy.ops.mesh.primitive_monkey_add(size=4, rotation=(0.2, 0, 0.8))
    head = bpy.context.object
    head.modifiers.new("smooth", "SUBSURF").render_levels = 2
    head.data.materials.append(material("red", (0.7, 0.08, 0.05, 1), 0.25))


def add_floor() -> None:
    """Something to throw a shadow on."""
    bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1.6))
    bpy.context.object.data.materials.append(material("green", (0.1, 0.4, 0.12, 1), 0.8))


def material(name: str, colour: tuple[float, float, float, float], roughness: float) -> bpy.types.Material:
    """A plain surface."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    surface = made.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = colour
    surface.inputs["Roughness"].default_value = roughness
    return made


def settings(scene: bpy.types.Scene) -> None:
    """Small enough for old machines, long enough that starting Blender does not count."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.render.image_settings.color_mode = "RGB"
    scene.view_settings.view_transform = "Standard"


main()
