"""Write a scene that costs seconds of loading and building before its first sample.

Usage: blender -b --factory-startup -P bench/scenes/heavy.py -- OUT.blend [FRAMES]

Half of the cost is in the file (a dense mesh that must be read), half is built at load (subdivision), so that a
renderer that stays open between frames saves most of each frame.
"""

import math
import sys
from array import array

import bpy

GRID = 500
ROCKS = 40
LEVELS = 6


def main() -> None:
    """Build a rocky landscape of FRAMES frames (default 12) with a passing camera and save it."""
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    target, frames = arguments[0], int(arguments[1]) if len(arguments) > 1 else 12
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    settings(frames)
    landscape()
    for number in range(ROCKS):
        rock(number)
    fly(bpy.context.scene.camera, frames)
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=False)


def settings(frames: int) -> None:
    """Few samples and a small picture: the preparation must outweigh the rendering."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    scene.render.use_persistent_data = False
    scene.frame_start, scene.frame_end = 1, frames


def landscape() -> None:
    """One stored mesh of GRID × GRID points, 40 m wide."""
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=GRID, y_subdivisions=GRID, size=40)
    mesh = bpy.context.object.data
    points = array("f", bytes(4 * 3 * len(mesh.vertices)))
    mesh.vertices.foreach_get("co", points)
    points[2::3] = array("f", map(height, points[0::3], points[1::3]))
    mesh.vertices.foreach_set("co", points)


def height(x: float, y: float) -> float:
    """Ground level in metres: wide hills with ripples."""
    return 0.6 * math.sin(x * 0.7) * math.cos(y * 0.5) + 0.05 * math.sin(x * 9 + y * 7) - 1.5


def rock(number: int) -> None:
    """A cube that its modifiers make a rock at every load."""
    angle = number * 2.399963  # golden angle: spreads the rocks without a random source
    distance = 1.5 + 0.28 * number
    bpy.ops.mesh.primitive_cube_add(size=0.8, location=(distance * math.cos(angle), distance * math.sin(angle), -0.9))
    thing = bpy.context.object
    thing.modifiers.new("Round", "SUBSURF").render_levels = LEVELS
    rough = thing.modifiers.new("Rough", "DISPLACE")
    rough.texture = bpy.data.textures.new(f"Rock {number}", "CLOUDS")
    rough.strength = 0.3


def fly(camera: bpy.types.Object, frames: int) -> None:
    """Only the camera moves, so that everything else may be kept from one frame to the next."""
    for frame in (1, frames):
        camera.location.x += 0.5 * (frame > 1)
        camera.keyframe_insert("location", frame=frame)


main()
