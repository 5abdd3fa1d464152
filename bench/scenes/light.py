"""Write a scene of about a second a frame on two cores: short frames, where starting Blender is a large part.

Usage: blender -b --factory-startup -P bench/scenes/light.py -- OUT.blend [FRAMES]
"""

import math
import sys

import bpy

SIDE = 6


def main() -> None:
    """Build a wave of balls of FRAMES frames (default 24) and save it."""
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    target, frames = arguments[0], int(arguments[1]) if len(arguments) > 1 else 24
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    settings(frames)
    balls(frames)
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=False)


def settings(frames: int) -> None:
    """Cycles on the processor, 320 × 180."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 16
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    scene.frame_start, scene.frame_end = 1, frames


def balls(frames: int) -> None:
    """A square of balls over a floor; each rises and falls once, later than its neighbour."""
    bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.4)
    first = bpy.context.object
    for row in range(SIDE):
        for column in range(SIDE):
            ball = bpy.data.objects.new(f"Ball {row} {column}", first.data)
            bpy.context.collection.objects.link(ball)
            for frame in range(1, frames + 1):
                phase = math.tau * (frame / frames + (row + column) / (2 * SIDE))
                ball.location = (row - SIDE / 2, column - SIDE / 2, 0.5 * math.sin(phase))
                ball.keyframe_insert("location", frame=frame)
    bpy.data.objects.remove(first)


main()
