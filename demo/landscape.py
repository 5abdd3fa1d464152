"""The land of the demo: meadow, hills, trees, the fence with its lantern, and fireflies."""

import math
import random
from itertools import pairwise

import bmesh
import bpy
from mathutils import Euler, Matrix, Vector, noise

from shading import glow, matt

LANTERN = Vector((-2.45, 3.85, 1.7))
FENCE_Y = 4.2
TUFTS = 9000
FIREFLIES = 22
# x, y, size
TREES = ((-15, 30, 1.3), (-19, 33, 1.0), (14, 26, 1.15), (18, 30, 1.5), (22, 31, 1.0), (-4, 44, 0.9), (9, 43, 0.8))
COTTAGE = Vector((5.2, 40.0, 0.9))


def build_land(frames: int) -> None:
    """Make everything that does not belong to the sky or the flock."""
    _meadow()
    _grass()
    _hills()
    _trees()
    _cottage()
    _fence()
    _lantern()
    _fireflies(frames)


def ground(x: float, y: float) -> float:
    """Height of the meadow in metres: gentle waves that fall away behind the fence."""
    waves = 0.16 * noise.noise((x * 0.22, y * 0.22, 3.1)) + 0.03 * noise.noise((x * 1.1, y * 1.1, 0.7))
    return waves - 0.0009 * max(0.0, y - 12) ** 2


def _meadow() -> None:
    shape = bmesh.new()
    bmesh.ops.create_grid(shape, x_segments=140, y_segments=140, size=45)
    for vertex in shape.verts:
        vertex.co.y += 25
        vertex.co.z = ground(vertex.co.x, vertex.co.y)
    _object("Meadow", shape, matt("Meadow", (0.085, 0.12, 0.035), grain=0.55))


def _grass() -> None:
    """Blades in one mesh, dense near the camera and thinner with distance."""
    chance = random.Random(3)
    points, faces = [], []
    for _ in range(TUFTS):
        y = -5.6 + 20 * chance.random() ** 1.7
        x = chance.uniform(-1, 1) * (3.2 + (y + 6.6) * 0.62)
        for _ in range(5):
            points += _blade(chance, x + chance.gauss(0, 0.06), y + chance.gauss(0, 0.06))
            faces.append((len(points) - 3, len(points) - 2, len(points) - 1))
    mesh = bpy.data.meshes.new("Grass")
    mesh.from_pydata(points, [], faces)
    mesh.materials.append(matt("Grass", (0.17, 0.21, 0.05), see_through=0.5, grain=0.35))
    bpy.context.collection.objects.link(bpy.data.objects.new("Grass", mesh))


def _blade(chance: random.Random, x: float, y: float) -> list[tuple[float, float, float]]:
    z, angle = ground(x, y), chance.uniform(0, math.tau)
    height, lean = chance.uniform(0.08, 0.3), chance.uniform(0.0, 0.14)
    side_x, side_y = 0.016 * math.cos(angle), 0.016 * math.sin(angle)
    tip = (x + lean * math.sin(angle), y + lean * math.cos(angle), z + height)
    return [(x - side_x, y - side_y, z - 0.02), (x + side_x, y + side_y, z - 0.02), tip]


def _hills() -> None:
    """Three ridges, each farther, higher and deeper in the haze."""
    ridges = ((46, 3.4, 0.050, 1.0), (85, 8.0, 0.028, 4.2), (150, 17.0, 0.016, 9.5))
    for distance, height, frequency, seed in ridges:
        shape = bmesh.new()
        bmesh.ops.create_grid(shape, x_segments=160, y_segments=8, size=1)
        for vertex in shape.verts:
            x, depth = vertex.co.x * distance * 1.5, vertex.co.y
            rise = (
                0.55 + 0.45 * noise.noise((x * frequency, seed, 0)) + 0.12 * noise.noise((x * frequency * 4, seed, 5))
            )
            vertex.co = (x, distance + depth * distance * 0.2, height * rise * (1 - depth * depth) - 2.0)
        _object(f"Hill {distance}", shape, matt(f"Hill {distance}", (0.05, 0.06, 0.035)))


def _trees() -> None:
    """Round trees on the near slopes: dark shapes against the sky."""
    chance = random.Random(19)
    leaves, bark = bmesh.new(), bmesh.new()
    for x, y, size in TREES:
        foot = Vector((x, y, ground(x, y) - 0.3))
        _stem(bark, foot, foot + Vector((0, 0, 2.4 * size)), 0.22 * size)
        for _ in range(90):
            way = Vector((chance.gauss(0, 1), chance.gauss(0, 1), chance.gauss(0, 1))).normalized()
            spot = Vector((1.55 * way.x, 1.55 * way.y, 3.6 + 1.5 * way.z)) * chance.uniform(0.5, 1.0)
            spot.z = max(spot.z, 2.2)
            _ball(leaves, foot + spot * size, chance.uniform(0.3, 0.55) * size)
    _object("Leaves", leaves, matt("Leaves", (0.02, 0.026, 0.014)))
    _object("Bark", bark, matt("Bark", (0.03, 0.02, 0.015)))


def _cottage() -> None:
    """Somebody is at home on the far side: a gabled house with two lit windows and a chimney."""
    walls, windows = bmesh.new(), bmesh.new()
    _box(walls, COTTAGE, (2.3, 1.6, 2.0))
    _box(walls, COTTAGE + Vector((1.3, 0, 3.9)), (0.25, 0.3, 0.9))
    roof = Matrix.Translation(COTTAGE + Vector((0, 0, 2.0))) @ Euler((math.pi / 4, 0, 0)).to_matrix().to_4x4()
    bmesh.ops.create_cube(walls, size=2, matrix=roof @ Matrix.Diagonal((2.6, 1.25, 1.25, 1)))
    for x in (-1.05, 0.95):
        _box(windows, COTTAGE + Vector((x, -1.62, 1.15)), (0.34, 0.02, 0.42))
    _object("Cottage", walls, matt("Stone", (0.03, 0.026, 0.03)), smooth=False)
    _object("Windows", windows, glow("Window", (1.0, 0.42, 0.08), 2.2, lights=False), smooth=False)


def _fence() -> None:
    """Posts and two rails across the view, a little crooked, curving towards the camera at both ends."""
    chance = random.Random(5)
    shape = bmesh.new()
    line = [(-11.0 + 1.45 * step, FENCE_Y - 0.012 * (-11.0 + 1.45 * step) ** 2) for step in range(16)]
    posts = [Vector((x, y, ground(x, y))) for x, y in line]
    for post in posts:
        top = post + Vector((chance.uniform(-0.05, 0.05), chance.uniform(-0.05, 0.05), chance.uniform(1.0, 1.12)))
        _stem(shape, post - Vector((0, 0, 0.2)), top, 0.07)
    for first, second in pairwise(posts):
        for height in (0.45, 0.85):
            sag = Vector((0, -0.06, height + chance.uniform(-0.05, 0.05)))
            _stem(shape, first + sag, second + sag, 0.042)
    _object("Fence", shape, matt("Wood", (0.19, 0.115, 0.07), grain=0.4))


def _lantern() -> None:
    """A lantern on a taller post: the only warm light inside the fold."""
    shape = bmesh.new()
    foot = Vector((LANTERN.x, LANTERN.y, ground(LANTERN.x, LANTERN.y)))
    _stem(shape, foot - Vector((0, 0, 0.2)), Vector((LANTERN.x, LANTERN.y, LANTERN.z - 0.17)), 0.07)
    bmesh.ops.create_cone(
        shape,
        cap_ends=True,
        segments=12,
        radius1=0.17,
        radius2=0.02,
        depth=0.14,
        matrix=Matrix.Translation(LANTERN + Vector((0, 0, 0.2))),
    )
    _object("Lantern post", shape, matt("Old wood", (0.12, 0.08, 0.055)))
    bulb = bmesh.new()
    _ball(bulb, LANTERN, 0.12)
    _object("Flame", bulb, glow("Flame", (1.0, 0.5, 0.12), 3.5, lights=False))
    lamp = bpy.data.lights.new("Lantern", "POINT")
    lamp.energy, lamp.color, lamp.shadow_soft_size = 260, (1.0, 0.5, 0.17), 0.12
    thing = bpy.data.objects.new("Lantern", lamp)
    thing.location = LANTERN + Vector((0, -0.25, 0))
    bpy.context.collection.objects.link(thing)


def _fireflies(frames: int) -> None:
    chance = random.Random(23)
    shape = bmesh.new()
    _ball(shape, Vector(), 0.013)
    first = _object("Firefly", shape, glow("Firefly", (0.75, 1.0, 0.15), 2.2, lights=False))
    for number in range(FIREFLIES):
        thing = first if number == 0 else bpy.data.objects.new(f"Firefly {number}", first.data)
        if number:
            bpy.context.collection.objects.link(thing)
        home = Vector((chance.uniform(-5.5, 5.5), chance.uniform(-2, 6.5), chance.uniform(0.3, 1.5)))
        start = chance.random()
        for frame in range(frames + 2):
            angle = math.tau * ((frame - 1) / frames + start)
            thing.location = home + Vector((0.16 * math.cos(angle), 0.1 * math.sin(angle), 0.08 * math.sin(2 * angle)))
            thing.keyframe_insert("location", frame=frame)


def _stem(shape: bmesh.types.BMesh, foot: Vector, top: Vector, radius: float) -> None:
    """A straight piece of wood between two points."""
    along = top - foot
    turn = along.to_track_quat("Z", "Y").to_matrix().to_4x4()
    bmesh.ops.create_cone(
        shape,
        cap_ends=True,
        segments=8,
        radius1=radius,
        radius2=radius * 0.85,
        depth=along.length,
        matrix=Matrix.Translation((foot + top) / 2) @ turn,
    )


def _ball(shape: bmesh.types.BMesh, place: Vector, radius: float) -> None:
    bmesh.ops.create_icosphere(shape, subdivisions=2, radius=radius, matrix=Matrix.Translation(place))


def _box(shape: bmesh.types.BMesh, place: Vector, half: tuple[float, float, float]) -> None:
    bmesh.ops.create_cube(shape, size=2, matrix=Matrix.Translation(place) @ Matrix.Diagonal((*half, 1)))


def _object(
    name: str, shape: bmesh.types.BMesh, material: bpy.types.Material, *, smooth: bool = True
) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    for face in shape.faces:
        face.smooth = smooth
    shape.to_mesh(mesh)
    shape.free()
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    return thing
