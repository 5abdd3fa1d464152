"""Write the scene of the demo: the last sheep come home at dusk, over the fence of the fold.

Usage: blender -b --factory-startup -P demo/scene.py -- OUT.blend [FRAMES]

Works with Blender 3.4 to 5.0 and with its Python module. The motion repeats after FRAMES frames (default 12),
so the animation can be looped. Everything is made here; no file is needed beside the scripts.
"""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bpy
from mathutils import Vector

from landscape import build_land, ground
from sheep import Sheep, born, breed, graze, run
from sky import build_sky

RATE = 12
SAMPLES = 14
SPACING = 2.6  # metres between two running sheep: what each of them runs in one cycle
RUNNERS = 7
LEAP_AT, LEAP_HALF, LEAP_HEIGHT = 9.3, 1.9, 1.35  # metres along the way, and up
WAY_START, WAY_DIRECTION = Vector((-9.1, 7.4, 0)), Vector((0.93, -0.36, 0)).normalized()
# x, y, heading, size, head down, head turned (radians)
FLOCK = (
    (-2.75, 0.6, 0.35, 1.0, 0.95, 0.15),
    (-4.9, 2.9, -0.6, 0.95, 0.15, -0.7),
    (3.15, 0.9, 2.85, 0.97, 1.0, -0.1),
    (5.6, 3.5, -2.5, 0.9, 0.1, 0.5),
    (1.5, -1.4, 2.5, 0.52, 0.05, 1.0),
)


def main() -> None:
    """Build the scene and save it packed into one file."""
    arguments = sys.argv[sys.argv.index("--") + 1 :]
    target, frames = arguments[0], int(arguments[1]) if len(arguments) > 1 else 12
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.preferences.edit.keyframe_new_interpolation_type = "LINEAR"
    settings(bpy.context.scene, frames)
    build_sky(bpy.context.scene)
    build_land(frames)
    flock(frames)
    look(bpy.context.scene, frames)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(target).resolve()), compress=False)


def settings(scene: bpy.types.Scene, frames: int) -> None:
    """Cycles on the processor with few samples: seconds a frame on two cores."""
    scene.name = "Homecoming"
    scene.frame_start, scene.frame_end = 1, frames
    scene.render.fps = RATE
    scene.render.resolution_x, scene.render.resolution_y = 640, 360
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.use_motion_blur = True
    scene.render.motion_blur_shutter = 0.3
    scene.render.engine = "CYCLES"
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.exposure = 0.2
    economy(scene.cycles)


def economy(cycles: bpy.types.PropertyGroup) -> None:
    """Spend rays only where they show. The denoiser is left off: many builds of Blender come without it."""
    cycles.device = "CPU"
    cycles.samples = SAMPLES
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.03
    cycles.use_denoising = False
    cycles.max_bounces = 1
    cycles.diffuse_bounces = 1
    cycles.transparent_max_bounces = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 1.0
    cycles.seed = 11
    if hasattr(cycles, "use_light_tree"):  # Blender 3.5 on: the tree favours near lamps, and of three it makes noise
        cycles.use_light_tree = False
    cycles.filter_width = 1.8


def flock(frames: int) -> None:
    """The sheep at home, and the ones that come running and leap in."""
    kind = breed()
    for number, (x, y, heading, size, low, turn) in enumerate(FLOCK):
        sheep = born(kind, f"Sheep {number + 1}", size)
        sheep.body.location = (x, y, ground(x, y))
        sheep.body.rotation_euler = (0, 0, heading)
        for frame in range(frames + 2):
            graze(sheep, (frame - 1) / frames + number / len(FLOCK), low, turn, frame)
    for number in range(RUNNERS):
        come_home(born(kind, f"Runner {number + 1}", 0.97), number, frames)


def come_home(sheep: Sheep, number: int, frames: int) -> None:
    """Each runner ends the cycle where the one before it began: the loop has no seam."""
    for frame in range(frames + 2):
        way = (number + (frame - 1) / frames) * SPACING
        place, ahead = on_the_way(way), on_the_way(way + 0.05)
        run(sheep, place, ahead, way / SPACING * 2, leap(way), frame)


def on_the_way(way: float) -> Vector:
    """Where a runner is after so many metres."""
    place = WAY_START + WAY_DIRECTION * way
    place.z = ground(place.x, place.y) + LEAP_HEIGHT * leap(way)
    return place


def leap(way: float) -> float:
    """0 on the ground, 1 at the top of the jump: a parabola."""
    return max(0.0, 1 - ((way - LEAP_AT) / LEAP_HALF) ** 2)


def look(scene: bpy.types.Scene, frames: int) -> None:
    """A low camera that sways a little, so that the leap stands against the sky."""
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.lens = 36
    for frame in range(frames + 2):
        phase = math.tau * (frame - 1) / frames
        camera.location = (0.06 * math.sin(phase), -6.6, 1.25 + 0.02 * math.cos(phase))
        camera.rotation_euler = (Vector((0.1, 9.0, 2.15)) - camera.location).to_track_quat("-Z", "Y").to_euler()
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)


main()
