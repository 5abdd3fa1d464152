"""Whether two pictures are the same."""

from pathlib import Path

import numpy
import OpenImageIO
import pytest

from sheepfold.client.blender.compare import UnreadablePictureError, same_picture


def save(path: Path, pixels: numpy.ndarray) -> Path:
    height, width, channels = pixels.shape
    picture = OpenImageIO.ImageBuf(OpenImageIO.ImageSpec(width, height, channels, OpenImageIO.FLOAT))
    picture.set_pixels(OpenImageIO.ROI(0, width, 0, height, 0, 1, 0, channels), pixels.astype(numpy.float32))
    assert picture.write(str(path)), picture.geterror()
    return path


@pytest.fixture
def pixels() -> numpy.ndarray:
    return numpy.random.default_rng(7).random((40, 50, 4))


@pytest.mark.parametrize("ending", ["png", "exr", "tif"])
def test_same_pixels_are_the_same(ending: str, pixels: numpy.ndarray, tmp_path: Path) -> None:
    assert same_picture(save(tmp_path / f"a.{ending}", pixels), save(tmp_path / f"b.{ending}", pixels))


def test_noise_of_a_card_is_forgiven_and_a_changed_part_is_not(pixels: numpy.ndarray, tmp_path: Path) -> None:
    original = save(tmp_path / "a.exr", pixels)
    assert same_picture(original, save(tmp_path / "b.exr", pixels + 1 / 255))
    one_pixel, a_corner = pixels.copy(), pixels.copy()
    one_pixel[3, 3] += 0.5
    a_corner[:5, :5] += 0.1
    assert same_picture(original, save(tmp_path / "c.exr", one_pixel))
    assert not same_picture(original, save(tmp_path / "d.exr", a_corner))


def test_other_size_is_another_picture(pixels: numpy.ndarray, tmp_path: Path) -> None:
    assert not same_picture(save(tmp_path / "a.exr", pixels), save(tmp_path / "b.exr", pixels[:39]))


def test_unreadable_picture_is_named(pixels: numpy.ndarray, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(UnreadablePictureError, match=r"broken\.png"):
        same_picture(save(tmp_path / "a.png", pixels), tmp_path / "broken.png")
