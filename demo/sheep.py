"""The sheep of the demo: their bodies, and how they run, leap and graze. All motion repeats after one cycle."""

import math
import random
from dataclasses import dataclass

import bmesh
import bpy
from mathutils import Euler, Matrix, Vector

from shading import glow, matt

LEG_HEIGHT = 0.42
LEGS = ((0.3, 0.17), (0.3, -0.17), (-0.28, 0.17), (-0.28, -0.17))


@dataclass(frozen=True)
class Breed:
    """Meshes that all sheep share, so that a flock costs little more than one of them."""

    wool: bpy.types.Mesh
    face: bpy.types.Mesh
    eyes: bpy.types.Mesh
    leg: bpy.types.Mesh


@dataclass(frozen=True)
class Sheep:
    """The moving parts of one sheep; the others follow."""

    body: bpy.types.Object
    head: bpy.types.Object
    legs: tuple[bpy.types.Object, ...]


def breed() -> Breed:
    """Make the shared meshes. The sheep looks along +x and stands on z = 0."""
    skin = matt("Skin", (0.035, 0.026, 0.03))
    return Breed(
        wool=_wool(matt("Wool", (0.86, 0.80, 0.72), see_through=0.35)),
        face=_face(skin),
        eyes=_eyes(glow("Eye", (1.0, 0.93, 0.8), 0.55, lights=False)),
        leg=_leg(skin),
    )


def born(kind: Breed, name: str, size: float = 1.0) -> Sheep:
    """Put one sheep into the scene."""
    body = _thing(name, kind.wool, None)
    body.scale = (size, size, size)
    head = _thing(f"{name} head", kind.face, body)
    head.location = (0.52, 0, 0.92)
    _thing(f"{name} eyes", kind.eyes, head)
    legs = tuple(_thing(f"{name} leg", kind.leg, body) for _ in LEGS)
    for leg, (x, y) in zip(legs, LEGS, strict=True):
        leg.location = (x, y, LEG_HEIGHT + 0.08)
    return Sheep(body, head, legs)


def run(sheep: Sheep, place: Vector, ahead: Vector, stride: float, leap: float, frame: int) -> None:
    """Pose a running sheep: `stride` counts its steps, `leap` is 0 on the ground and 1 at the top of a jump."""
    direction = ahead - place
    sheep.body.location = place + Vector((0, 0, 0.07 * abs(math.sin(math.pi * stride)) * (1 - leap)))
    pitch = -math.atan2(direction.z, direction.xy.length) * 0.8
    sheep.body.rotation_euler = (0, pitch, math.atan2(direction.y, direction.x))
    sheep.head.rotation_euler = (0, -pitch * 0.5, 0)
    for number, leg in enumerate(sheep.legs):
        swing = 0.65 * math.sin(math.pi * stride * 2 + (number in (1, 2)) * math.pi)
        stretched = -1.0 if number < 2 else 1.1
        leg.rotation_euler = (0, (1 - leap) * swing + leap * stretched, 0)
        leg.keyframe_insert("rotation_euler", frame=frame)
    _key(sheep, frame)


def graze(sheep: Sheep, phase: float, low: float, turn: float, frame: int) -> None:
    """Pose a standing sheep: its head bobs about `low` (radians down) and looks around by `turn` (radians)."""
    bob = math.sin(math.tau * phase)
    sheep.head.rotation_euler = (0, low + 0.07 * bob, turn * (1 + 0.25 * math.cos(math.tau * phase)))
    sheep.body.rotation_euler.x = 0.012 * bob
    _key(sheep, frame)


def _key(sheep: Sheep, frame: int) -> None:
    sheep.body.keyframe_insert("location", frame=frame)
    sheep.body.keyframe_insert("rotation_euler", frame=frame)
    sheep.head.keyframe_insert("rotation_euler", frame=frame)


def _thing(name: str, mesh: bpy.types.Mesh, parent: bpy.types.Object | None) -> bpy.types.Object:
    thing = bpy.data.objects.new(name, mesh)
    thing.parent = parent
    bpy.context.collection.objects.link(thing)
    return thing


def _mesh(name: str, shape: bmesh.types.BMesh, material: bpy.types.Material) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    for face in shape.faces:
        face.smooth = True
    shape.to_mesh(mesh)
    shape.free()
    mesh.materials.append(material)
    return mesh


def _ball(shape: bmesh.types.BMesh, place: tuple[float, float, float], size: tuple[float, float, float]) -> None:
    bmesh.ops.create_icosphere(
        shape, subdivisions=2, radius=1.0, matrix=Matrix.Translation(place) @ Matrix.Diagonal((*size, 1))
    )


def _wool(material: bpy.types.Material) -> bpy.types.Mesh:
    """A fleece of curls spread evenly over an egg-shaped body (spiral of the golden angle)."""
    chance = random.Random(7)
    shape = bmesh.new()
    _ball(shape, (0, 0, 0.8), (0.52, 0.33, 0.33))
    count = 130
    for number in range(count):
        height = 1 - 2 * (number + 0.5) / count
        ring, angle = math.sqrt(1 - height * height), number * 2.399963
        spot = (0.55 * height, 0.34 * ring * math.cos(angle), 0.8 + 0.35 * ring * math.sin(angle))
        size = chance.uniform(0.085, 0.13)
        _ball(shape, spot, (size, size, size))
    for x, y, z in ((-0.62, 0, 0.86), (-0.68, 0, 0.80), (-0.7, 0, 0.73)):
        _ball(shape, (x, y, z), (0.09, 0.08, 0.09))
    return _mesh("Wool", shape, material)


def _face(material: bpy.types.Material) -> bpy.types.Mesh:
    shape = bmesh.new()
    _ball(shape, (0.16, 0, -0.05), (0.2, 0.115, 0.13))
    _ball(shape, (0.04, 0, 0.02), (0.15, 0.13, 0.15))
    for side in (-1, 1):
        ear = Matrix.Translation((0.0, 0.2 * side, 0.06)) @ Euler((0.5 * side, 0, -0.35 * side)).to_matrix().to_4x4()
        bmesh.ops.create_icosphere(
            shape, subdivisions=2, radius=1.0, matrix=ear @ Matrix.Diagonal((0.05, 0.13, 0.025, 1))
        )
    return _mesh("Face", shape, material)


def _eyes(material: bpy.types.Material) -> bpy.types.Mesh:
    shape = bmesh.new()
    for side in (-1, 1):
        _ball(shape, (0.17, 0.095 * side, 0.055), (0.03, 0.025, 0.03))
    return _mesh("Eyes", shape, material)


def _leg(material: bpy.types.Material) -> bpy.types.Mesh:
    shape = bmesh.new()
    middle = Matrix.Translation((0, 0, -(LEG_HEIGHT + 0.08) / 2))
    bmesh.ops.create_cone(
        shape, cap_ends=True, segments=10, radius1=0.05, radius2=0.065, depth=LEG_HEIGHT + 0.08, matrix=middle
    )
    return _mesh("Leg", shape, material)
