"""Which pictures count as the same: real renders of an honest machine and of cheats, made in the test."""

import subprocess
from pathlib import Path

import numpy
import OpenImageIO as oiio  # noqa: N813  the name that its own documentation uses
import pytest
from PIL import Image

from sheepfold.server.results.comparison import OTHER_SIZE, compare_files
from sheepfold.server.results.decoders import Comparer, Incomparable

SCENES = Path(__file__).parents[3] / "bench" / "scenes"
SETTINGS = {  # frame, threads, what a machine that does not do what it was asked for would set
    "right": (5, 2, ""),
    "other-threads": (5, 1, ""),
    "half-samples": (5, 2, "scene.cycles.samples = 8"),
    "other-seed": (5, 2, "scene.cycles.seed = 7"),
    "small": (5, 2, "scene.render.resolution_percentage = 75"),
    "next-frame": (6, 2, ""),
}


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The light scene of bench/, once as it should be and in the ways in which machines cheat."""
    folder = tmp_path_factory.mktemp("renders")
    scene = folder / "light.blend"
    build = ["blender", "-b", "--factory-startup", "-P", str(SCENES / "light.py"), "--", str(scene), "12"]
    subprocess.run(build, check=True, capture_output=True)
    for name, (frame, threads, words) in SETTINGS.items():
        script = f"import bpy; scene = bpy.context.scene; {words}"
        command = ["blender", "--factory-startup", "-b", str(scene), "--python-expr", script]
        command += ["-o", f"{folder}/{name}-####", "-F", "PNG", "-x", "1", "-t", str(threads), "-f", str(frame)]
        subprocess.run(command, check=True, capture_output=True)
        next(folder.glob(f"{name}-*.png")).rename(folder / f"{name}.png")
    with Image.open(folder / "small.png") as small:
        small.resize((320, 180), Image.Resampling.LANCZOS).save(folder / "upscaled.png")
    _with_noise(folder / "next-frame.png", folder / "noised.png")
    return folder


def _with_noise(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        pixels = numpy.asarray(image).astype(int)
    noise = numpy.random.default_rng(1).normal(0, 2, pixels.shape).round().astype(int)
    Image.fromarray(numpy.clip(pixels + noise, 0, 255).astype("uint8")).save(target)


def test_honest_machines_agree_and_each_cheat_differs(renders: Path) -> None:
    right = renders / "right.png"
    assert compare_files(right, renders / "other-threads.png").is_honest(on_gpus=False)
    for cheat in ("half-samples", "other-seed", "upscaled", "next-frame", "noised"):
        for on_gpus in (False, True):
            assert not compare_files(right, renders / f"{cheat}.png").is_honest(on_gpus=on_gpus), cheat
    assert compare_files(right, renders / "small.png") == OTHER_SIZE


def picture(folder: Path, name: str, change: tuple[slice, slice] | None = None, by: int = 0) -> Path:
    pixels = numpy.full((90, 150, 3), 100, numpy.uint8)
    if change is not None:
        pixels[change] += by
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_small_thing_that_moved_is_seen_and_one_bright_pixel_is_none(tmp_path: Path) -> None:
    plain = picture(tmp_path, "plain")
    one_pixel = picture(tmp_path, "pixel", (slice(40, 41), slice(70, 71)), 155)
    corner = picture(tmp_path, "corner", (slice(84, 90), slice(144, 150)), 30)  # cells at the edge are smaller
    assert compare_files(plain, one_pixel).is_honest(on_gpus=False)
    difference = compare_files(plain, corner)
    assert (difference.changed < 0.003, difference.cell) == (True, 18.0)
    assert not difference.is_honest(on_gpus=True)


def test_colours_that_nobody_sees_are_not_compared(tmp_path: Path) -> None:
    for name, colour in (("red", (255, 0, 0, 0)), ("blue", (0, 0, 255, 0))):
        Image.new("RGBA", (32, 32), colour).save(tmp_path / f"{name}.png")
    assert compare_files(tmp_path / "red.png", tmp_path / "blue.png").changed == 0


def test_film_and_grey_of_sixteen_bits_are_compared_as_they_look(tmp_path: Path) -> None:
    for name, value in (("dark", 0.10), ("bright", 0.14), ("glaring", 1.5), ("sun", 90.0)):
        buffer = oiio.ImageBuf(oiio.ImageSpec(32, 32, 3, oiio.HALF))
        oiio.ImageBufAlgo.fill(buffer, (value, value, value))
        assert buffer.write(str(tmp_path / f"{name}.exr"))
    assert compare_files(tmp_path / "dark.exr", tmp_path / "bright.exr").changed == 1
    assert compare_files(tmp_path / "glaring.exr", tmp_path / "sun.exr").changed == 0
    for name, level in (("low", 20_000), ("high", 40_000)):
        Image.fromarray(numpy.full((32, 32), level, numpy.uint16)).save(tmp_path / f"{name}.png")
    assert compare_files(tmp_path / "low.png", tmp_path / "high.png").cell == pytest.approx(78, abs=1)


def test_a_comparer_survives_what_it_cannot_compare(tmp_path: Path) -> None:
    good, bad = picture(tmp_path, "good"), tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    comparer = Comparer()
    with pytest.raises(Incomparable):
        comparer.compare(good, bad)
    assert comparer.compare(good, good).changed == 0
    large = tmp_path / "large.png"
    Image.new("RGB", (3000, 3000)).save(large)
    with pytest.raises(Incomparable):
        Comparer(cpu_seconds=0.001).compare(large, large)
