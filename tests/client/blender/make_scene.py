# Runs inside Blender: saves a small animated scene with the features named after `--`, to the path after them.
import sys
from pathlib import Path

import bpy

*features, target = sys.argv[sys.argv.index("--") + 1 :]
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 96, 64, 100
scene.frame_start, scene.frame_end = 1, 40
cube = bpy.data.objects["Cube"]
for frame, x, turn in ((1, -2.0, 0.0), (40, 2.0, 3.0)):
    cube.location.x = x
    cube.rotation_euler.z = turn
    cube.keyframe_insert("location", frame=frame)
    cube.keyframe_insert("rotation_euler", frame=frame)

if "motion_blur" in features:
    scene.render.use_motion_blur = True
    bend = cube.modifiers.new("Bend", "SIMPLE_DEFORM")
    bend.angle = 0.0
    bend.keyframe_insert("angle", frame=1)
    bend.angle = 2.0
    bend.keyframe_insert("angle", frame=40)
if "persistent_data" in features:
    scene.render.use_persistent_data = True
if "hair" in features:
    cube.modifiers.new("Hair", "PARTICLE_SYSTEM")
    cube.particle_systems[0].settings.type = "HAIR"
    cube.particle_systems[0].settings.count = 60
if "particles" in features:
    cube.modifiers.new("Spray", "PARTICLE_SYSTEM")
    settings = cube.particle_systems[0].settings
    settings.count, settings.frame_end, settings.lifetime = 300, 30, 40
    bpy.ops.mesh.primitive_ico_sphere_add(radius=0.3, location=(0, 0, 20))
    settings.render_type, settings.instance_object = "OBJECT", bpy.context.object
    settings.particle_size = 0.3
if "baked" in features:
    for area in (cube.particle_systems[0].point_cache,):
        with bpy.context.temp_override(scene=scene, point_cache=area):
            bpy.ops.ptcache.bake(bake=True)
if "compositing" in features:
    scene.use_nodes = True
    tree = scene.node_tree
    layers, output = tree.nodes["Render Layers"], tree.nodes["Composite"]
    blur = tree.nodes.new("CompositorNodeBlur")
    blur.size_x = blur.size_y = 4
    tree.links.new(layers.outputs["Image"], blur.inputs["Image"])
    tree.links.new(blur.outputs["Image"], output.inputs["Image"])
if "driver" in features:
    # The height follows the end of the scene's range: a renderer that changes the range changes the picture.
    driver = cube.driver_add("location", 2).driver
    variable = driver.variables.new()
    variable.name, variable.type = "last", "SINGLE_PROP"
    variable.targets[0].id_type, variable.targets[0].id = "SCENE", scene
    variable.targets[0].data_path = "frame_end"
    driver.expression = "last / 40"
if "shapes" in features:
    key = cube.shape_key_add(name="Basis")
    key = cube.shape_key_add(name="Wide")
    for point in key.data:
        point.co.y *= 2
    key.value = 0.0
    key.keyframe_insert("value", frame=1)
    key.value = 1.0
    key.keyframe_insert("value", frame=40)
if "visibility" in features:
    # Comes and goes, with its own material: what a Blender that keeps data must notice.
    bpy.ops.mesh.primitive_monkey_add(location=(0, -2, 1))
    monkey = bpy.context.object
    for frame, hidden in ((1, False), (3, True), (5, False)):
        monkey.hide_render = hidden
        monkey.keyframe_insert("hide_render", frame=frame)
    material = bpy.data.materials.new("Changing")
    material.use_nodes = True
    colour = material.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    for frame, value in ((1, (1, 0, 0, 1)), (9, (0, 0, 1, 1))):
        colour.default_value = value
        colour.keyframe_insert("default_value", frame=frame)
    monkey.data.materials.append(material)
Path(target).parent.mkdir(parents=True, exist_ok=True)
bpy.ops.wm.save_as_mainfile(filepath=target)
