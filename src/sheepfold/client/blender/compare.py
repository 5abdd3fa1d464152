"""Whether two pictures of the same frame are the same, beyond what a GPU varies from run to run."""

from pathlib import Path

import numpy
import OpenImageIO
from numpy.typing import NDArray

Pixels = NDArray[numpy.float32]
_STEP = 2 / 255  # a difference that an eye might see in a flat area
_SHARE = 0.001  # of all values


class UnreadablePictureError(Exception):
    """A picture cannot be decoded."""


def same_picture(one: Path, other: Path) -> bool:
    """True when sizes agree and hardly any value differs visibly. Raises UnreadablePictureError."""
    first, second = read_pixels(one), read_pixels(other)
    if first.shape != second.shape:
        return False
    return bool(numpy.mean(numpy.abs(first - second) > _STEP) <= _SHARE)


def read_pixels(path: Path) -> Pixels:
    """All channels as floats, 0 to 1 for integer formats. Raises UnreadablePictureError."""
    picture = OpenImageIO.ImageBuf(str(path))
    pixels = picture.get_pixels(OpenImageIO.FLOAT)
    if picture.has_error or pixels is None:
        raise UnreadablePictureError(f"{path.name} cannot be read: {picture.geterror()}")
    return numpy.nan_to_num(numpy.asarray(pixels, numpy.float32))
