"""Write scenes with everything that the analysis looks for.

Usage: blender -b --factory-startup -P make.py -- FOLDER [--compress]

`rich.blend` has all kinds of trouble, `plain.blend` has none, `lib/props.blend` is what `rich.blend` links.
With Blender as a Python module: python make.py -- FOLDER [--compress]
"""

import sys
from pathlib import Path

import bpy

ARGUMENTS = sys.argv[sys.argv.index("--") + 1 :]
FOLDER = Path(ARGUMENTS[0]).resolve()
COMPRESS = "--compress" in ARGUMENTS


def main() -> None:
    (FOLDER / "lib").mkdir(parents=True, exist_ok=True)
    library()
    plain()
    rich()


def empty(name: str) -> bpy.types.Scene:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.name = name
    scene.render.engine = "CYCLES"
    scene.cycles.use_denoising = False  # many builds come without the denoiser
    return scene


def save(path: str) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / path), compress=COMPRESS, relative_remap=False)


def add(scene: bpy.types.Scene, name: str, data: bpy.types.ID | None) -> bpy.types.Object:
    thing = bpy.data.objects.new(name, data)
    scene.collection.objects.link(thing)
    return thing


def mesh(name: str) -> bpy.types.Mesh:
    made = bpy.data.meshes.new(name)
    made.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    return made


def textured(mesh_data: bpy.types.Mesh, path: str, *, source: str = "FILE") -> None:
    image = bpy.data.images.new(Path(path.removeprefix("//")).stem, 4, 4)
    image.source = source
    image.filepath = path
    material = bpy.data.materials.new(f"With {path}"[:60])
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = image
    mesh_data.materials.append(material)


def library() -> None:
    scene = empty("Props")
    crook = add(scene, "Crook", mesh("Crook"))
    textured(crook.data, "//../textures/wood.png")
    add(scene, "Unused", mesh("Unused"))
    textured(bpy.data.meshes["Unused"], "//never-linked.png")
    save("lib/props.blend")


def plain() -> None:
    scene = empty("Plain")
    scene.camera = add(scene, "Eye", bpy.data.cameras.new("Eye"))
    scene.frame_start, scene.frame_end, scene.frame_step = 3, 21, 2
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 321, 201, 50
    scene.render.fps, scene.render.fps_base = 30, 1.001
    scene.cycles.samples = 7
    scene.render.use_border = scene.render.use_crop_to_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.25, 0.75
    scene.render.border_min_y, scene.render.border_max_y = 0.1, 0.6
    image_format(scene, "OPEN_EXR")
    scene.render.image_settings.color_mode = "RGBA"
    save("plain.blend")


def image_format(scene: bpy.types.Scene, name: str) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5
        settings.media_type = "VIDEO" if name == "FFMPEG" else "IMAGE"
    settings.file_format = name


def rich() -> None:
    scene = empty("Trouble")
    bpy.data.scenes.new("Aside")
    body = add(scene, "Sheep", mesh("Sheep"))
    textured(body.data, "//textures/wool.png")
    textured(body.data, "//textures/Grass.png")
    textured(body.data, "/home/artist/sky.png")
    textured(body.data, "//tiles/skin.<UDIM>.png", source="TILED")
    textured(body.data, "//seq/cloud_0001.png", source="SEQUENCE")
    body.modifiers.new("Cloth", "CLOTH")
    driver(body, 0, "frame / 24 + sin(frame)")
    driver(body, 1, "herd(frame)")
    script = bpy.data.texts.new("herd.py")
    script.write("import bpy\n")
    script.use_module = True
    bpy.data.texts.new("notes.txt").write("not a script")
    sound = FOLDER / "bleat.wav"
    sound.write_bytes(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0")
    loaded = bpy.data.sounds.load(str(sound))
    loaded.filepath, loaded.use_fake_user = "//bleat.wav", True
    sound.unlink()
    link_crook(scene)
    file_outputs(scene)
    scene.render.use_multiview = True
    image_format(scene, "FFMPEG")
    save("rich.blend")


def driver(thing: bpy.types.Object, index: int, expression: str) -> None:
    made = thing.driver_add("location", index).driver
    made.type = "SCRIPTED"
    made.expression = expression


def link_crook(scene: bpy.types.Scene) -> None:
    with bpy.data.libraries.load(str(FOLDER / "lib/props.blend"), link=True) as (_, wanted):
        wanted.objects = ["Crook"]
    scene.collection.objects.link(bpy.data.objects["Crook"])
    bpy.data.libraries[0].filepath = "//lib/props.blend"


def file_outputs(scene: bpy.types.Scene) -> None:
    """One that writes, and one that is muted."""
    if hasattr(scene, "compositing_node_group"):  # Blender 5
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
    tree.nodes.new("CompositorNodeOutputFile")
    tree.nodes.new("CompositorNodeOutputFile").mute = True


main()
