"""Write a scene whose frames take well under a second, so that a run measures the farm and not Blender.

Usage: blender -b --factory-startup -P bench/scenes/trivial.py -- OUT.blend [FRAMES [SIZE]]

SIZE multiplies width, height and samples of the smallest picture, 160 x 90 pixels with 2 samples (about 10 ms a frame).
"""

import math
import sys

import bpy


def main() -> None:
    """Build a turning cube of FRAMES frames (default 60), SIZE (default 1) times the smallest picture, and save it."""
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    target, frames = arguments[0], int(arguments[1]) if len(arguments) > 1 else 60
    size = int(arguments[2]) if len(arguments) > 2 else 1
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 2 * size
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 160 * size, 90 * size
    scene.frame_start, scene.frame_end = 1, frames
    turn(bpy.data.objects["Cube"], frames)
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=False)


def turn(thing: bpy.types.Object, frames: int) -> None:
    """Turn once around the vertical axis in the given number of frames, so that no two frames are equal."""
    bpy.context.preferences.edit.keyframe_new_interpolation_type = "LINEAR"
    for frame, angle in ((1, 0.0), (frames + 1, math.tau)):
        thing.rotation_euler.z = angle
        thing.keyframe_insert("rotation_euler", frame=frame)


main()
