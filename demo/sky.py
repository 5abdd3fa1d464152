"""The sky of the demo: last light over the hills, first stars, and the moon; and the lamps that belong to them."""

import math as number

import bpy
from mathutils import Vector

from shading import feed, glow, math

SUNSET = Vector((-0.42, 0.9, 0.03)).normalized()
MOON = Vector((0.33, 0.9, 0.25)).normalized()
MOON_LIT_FROM = Vector((-0.78, 0.52, -0.34)).normalized()
# height of the view direction (0 level, 1 straight up) → colour
GRADIENT = (
    (0.0, (0.90, 0.26, 0.07)),
    (0.05, (0.72, 0.19, 0.10)),
    (0.13, (0.31, 0.10, 0.155)),
    (0.26, (0.085, 0.055, 0.155)),
    (0.50, (0.02, 0.028, 0.095)),
    (1.0, (0.01, 0.016, 0.06)),
)


def build_sky(scene: bpy.types.Scene) -> None:
    """Give the scene its world, its sun and its moon."""
    world = bpy.data.worlds.new("Dusk")
    scene.world = world
    world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    direction = tree.nodes.new("ShaderNodeTexCoord").outputs["Generated"]
    colour = _add(tree, _gradient(tree, direction), _sunset(tree, direction))
    colour = _add(tree, colour, _stars(tree, direction))
    colour = _add(tree, colour, _moonshine(tree, direction))
    background = tree.nodes.new("ShaderNodeBackground")
    tree.links.new(colour, background.inputs["Color"])
    tree.links.new(background.outputs[0], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])
    world.cycles.sampling_method = "NONE"
    _sun()
    _moon()


def _gradient(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    ramp.color_ramp.interpolation = "EASE"
    elements = ramp.color_ramp.elements
    while len(elements) < len(GRADIENT):
        elements.new(0.5)
    for element, (place, colour) in zip(elements, GRADIENT, strict=True):
        element.position, element.color = place, (*colour, 1)
    tree.links.new(_height(tree, direction), ramp.inputs[0])
    return ramp.outputs[0]


def _sunset(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """A wide warm glow where the sun went down."""
    near = math(tree, "MAXIMUM", _towards(tree, direction, SUNSET), 0.0)
    return _tint(tree, (0.95, 0.30, 0.05), math(tree, "POWER", near, 22.0))


def _moonshine(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """A faint halo about the moon."""
    near = math(tree, "MAXIMUM", _towards(tree, direction, MOON), 0.0)
    return _tint(tree, (0.16, 0.11, 0.085), math(tree, "POWER", near, 420.0))


def _stars(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Specks of a cell texture, only high up and only for the camera: as lamps they would be noise."""
    cells = tree.nodes.new("ShaderNodeTexVoronoi")
    cells.inputs["Scale"].default_value = 46.0
    tree.links.new(direction, cells.inputs["Vector"])
    speck = math(tree, "LESS_THAN", cells.outputs["Distance"], 0.055)
    high = math(tree, "MULTIPLY", _height(tree, direction), _height(tree, direction))
    seen = tree.nodes.new("ShaderNodeLightPath").outputs["Is Camera Ray"]
    bright = math(tree, "MULTIPLY", math(tree, "MULTIPLY", speck, high), math(tree, "MULTIPLY", seen, 4.0))
    return _tint(tree, (1.0, 0.92, 0.85), bright)


def _height(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(direction, split.inputs[0])
    return split.outputs["Z"]


def _towards(tree: bpy.types.NodeTree, direction: bpy.types.NodeSocket, target: Vector) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = "DOT_PRODUCT"
    feed(tree, node.inputs[0], direction)
    node.inputs[1].default_value = target
    return node.outputs["Value"]


def _tint(
    tree: bpy.types.NodeTree, colour: tuple[float, float, float], strength: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = "SCALE"
    node.inputs[0].default_value = colour
    tree.links.new(strength, node.inputs["Scale"])
    return node.outputs[0]


def _add(tree: bpy.types.NodeTree, first: bpy.types.NodeSocket, second: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = "ADD"
    tree.links.new(first, node.inputs[0])
    tree.links.new(second, node.inputs[1])
    return node.outputs[0]


def _sun() -> None:
    """The last light edges every fleece from behind; a soft cool light, as of the sky, fills the near side."""
    _lamp("Last light", Vector((SUNSET.x, SUNSET.y, 0.17)), 3.2, (1.0, 0.44, 0.17), 5)
    _lamp("Sky light", Vector((0.5, -0.75, 0.6)), 0.5, (0.55, 0.62, 1.0), 25)


def _lamp(name: str, towards: Vector, strength: float, colour: tuple[float, float, float], degrees: float) -> None:
    lamp = bpy.data.lights.new(name, "SUN")
    lamp.energy, lamp.color, lamp.angle = strength, colour, number.radians(degrees)
    thing = bpy.data.objects.new(name, lamp)
    bpy.context.collection.objects.link(thing)
    thing.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()


def _moon() -> None:
    """A crescent: the far side of a shining ball stays clear, so the sky shows through."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=6.4, location=MOON * 240)
    thing = bpy.context.object
    thing.name = "Moon"
    bpy.ops.object.shade_smooth()
    material = glow("Moon", (1.0, 0.86, 0.62), 1.3, lights=False)
    tree = material.node_tree
    mixer = next(node for node in tree.nodes if node.type == "MIX_SHADER")
    surface = tree.nodes.new("ShaderNodeNewGeometry").outputs
    lit = _towards(tree, surface["Normal"], MOON_LIT_FROM)
    edge = _clamped(tree, math(tree, "MULTIPLY", math(tree, "SUBTRACT", lit, 0.02), 9.0))
    front = math(tree, "SUBTRACT", 1.0, surface["Backfacing"])
    seen = tree.nodes.new("ShaderNodeLightPath").outputs["Is Camera Ray"]
    feed(tree, mixer.inputs[0], math(tree, "MULTIPLY", math(tree, "MULTIPLY", edge, front), seen))
    thing.data.materials.append(material)
    thing.visible_shadow = thing.visible_diffuse = False


def _clamped(tree: bpy.types.NodeTree, value: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    return math(tree, "MINIMUM", math(tree, "MAXIMUM", value, 0.0), 1.0)
