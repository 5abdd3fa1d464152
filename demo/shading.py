"""Materials of the demo: plain colours that fade into the evening haze with distance, and things that glow."""

import bpy

Colour = tuple[float, float, float]

HAZE: Colour = (0.30, 0.115, 0.125)
HAZE_METRES = 150.0


def matt(name: str, colour: Colour, *, see_through: float = 0.0, grain: float = 0.0) -> bpy.types.Material:
    """A rough surface; `see_through` (0 to 1) lets light from behind shine through, as in wool and grass.

    `grain` (0 to 1) darkens the colour in patches.
    """
    material, tree = _empty(name)
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (*colour, 1)
    surface = diffuse.outputs[0]
    if grain:
        tree.links.new(_patches(tree, colour, grain), diffuse.inputs["Color"])
    if see_through:
        behind = tree.nodes.new("ShaderNodeBsdfTranslucent")
        behind.inputs["Color"].default_value = (*colour, 1)
        surface = _mix(tree, see_through, surface, behind.outputs[0])
    _finish(tree, _hazy(tree, surface))
    return material


def glow(name: str, colour: Colour, strength: float, *, lights: bool = True) -> bpy.types.Material:
    """A surface that shines by itself; with `lights=False` only the camera sees it, which costs no noise."""
    material, tree = _empty(name)
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (*colour, 1)
    emission.inputs["Strength"].default_value = strength
    surface = emission.outputs[0]
    if not lights:
        unlit = tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0]
        surface = _mix(tree, tree.nodes.new("ShaderNodeLightPath").outputs["Is Camera Ray"], unlit, surface)
    _finish(tree, surface)
    return material


def math(tree: bpy.types.NodeTree, operation: str, *values: float | bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """One arithmetic node fed by numbers or sockets."""
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        feed(tree, socket, value)
    return node.outputs[0]


def feed(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, value: float | bpy.types.NodeSocket) -> None:
    """Give a socket a number, or link another socket to it."""
    if isinstance(value, bpy.types.NodeSocket):
        tree.links.new(value, socket)
    else:
        socket.default_value = value


def _empty(name: str) -> tuple[bpy.types.Material, bpy.types.NodeTree]:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes.clear()
    return material, material.node_tree


def _finish(tree: bpy.types.NodeTree, surface: bpy.types.NodeSocket) -> None:
    tree.links.new(surface, tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])


def _mix(
    tree: bpy.types.NodeTree,
    factor: float | bpy.types.NodeSocket,
    first: bpy.types.NodeSocket,
    second: bpy.types.NodeSocket,
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeMixShader")
    feed(tree, node.inputs[0], factor)
    tree.links.new(first, node.inputs[1])
    tree.links.new(second, node.inputs[2])
    return node.outputs[0]


def _patches(tree: bpy.types.NodeTree, colour: Colour, grain: float) -> bpy.types.NodeSocket:
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 0.9
    noise.inputs["Detail"].default_value = 5.0
    place = tree.nodes.new("ShaderNodeNewGeometry")
    tree.links.new(place.outputs["Position"], noise.inputs["Vector"])
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    dark = tuple(channel * (1 - grain) for channel in colour)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[0].color = 0.35, (*dark, 1)
    ramp.color_ramp.elements[1].position, ramp.color_ramp.elements[1].color = 0.65, (*colour, 1)
    tree.links.new(noise.outputs[0], ramp.inputs[0])
    return ramp.outputs[0]


def _hazy(tree: bpy.types.NodeTree, surface: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """Haze without a volume: mixed in by distance, only for what the camera sees directly, so it is free of noise."""
    camera = tree.nodes.new("ShaderNodeCameraData")
    clear = math(tree, "EXPONENT", math(tree, "DIVIDE", camera.outputs["View Distance"], -HAZE_METRES))
    seen = tree.nodes.new("ShaderNodeLightPath").outputs["Is Camera Ray"]
    amount = math(tree, "MULTIPLY", math(tree, "SUBTRACT", 1.0, clear), seen)
    haze = tree.nodes.new("ShaderNodeEmission")
    haze.inputs["Color"].default_value = (*HAZE, 1)
    return _mix(tree, amount, surface, haze.outputs[0])
