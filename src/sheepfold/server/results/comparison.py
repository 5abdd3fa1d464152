"""Whether two machines rendered the same picture. Pure but for reading the files; runs in a process of its own.

The same scene, Blender and kind of device do not give the same bytes everywhere: other processors round differently,
and then some paths of light end elsewhere. Measured (ADR 15): the share of pixels that change by more than 4 of 255 is
below 0.0001 with other threads and other instruction sets, and 0.011 or more with half of the samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy
import OpenImageIO as oiio  # noqa: N813  the name that its own documentation uses
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sheepfold.server.results.checks import PILLOW_FORMATS

Pixels: TypeAlias = NDArray[numpy.uint8]  # rows, columns, red green blue alpha; as shown on a screen

NOISE = 4  # of 255: a smaller change of a pixel is none
MOST_CHANGED = 0.01  # share of the pixels, on processors
MOST_CHANGED_ON_GPUS = 0.05  # assumed: cards and drivers of one maker differ more
CELL = 16  # pixels, each way
MOST_OF_CELL = 3.0  # of 255: finds what moves in a small part of the picture; one white pixel makes 1


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two pictures are apart. `changed`: share of the pixels; `cell`: largest change of a cell's mean."""

    changed: float
    cell: float

    def is_honest(self, *, on_gpus: bool) -> bool:
        """Whether machines that both do their work differ so much."""
        return self.changed <= (MOST_CHANGED_ON_GPUS if on_gpus else MOST_CHANGED) and self.cell <= MOST_OF_CELL


OTHER_SIZE = Difference(1.0, 255.0)


def compare_files(one: Path, other: Path) -> Difference:
    """The difference of two images that the farm has taken. Raises OSError if one cannot be read any more."""
    return difference(read_pixels(one), read_pixels(other))


def difference(one: Pixels, other: Pixels) -> Difference:
    """In bands of rows, since the largest pictures have 16,384."""
    if one.shape != other.shape:
        return OTHER_SIZE
    changed, cell = 0, 0.0
    for top in range(0, one.shape[0], CELL):
        band = one[top : top + CELL].astype(numpy.int16) - other[top : top + CELL]
        changed += int((numpy.abs(band).max(axis=2) > NOISE).sum())
        cell = max(cell, _largest_mean(band))
    return Difference(changed / (one.shape[0] * one.shape[1]), cell)


def _largest_mean(band: NDArray[numpy.int16]) -> float:
    starts = numpy.arange(0, band.shape[1], CELL)
    sums = numpy.add.reduceat(band.sum(axis=0, dtype=numpy.int64), starts, axis=0)
    widths = numpy.diff(numpy.append(starts, band.shape[1]))
    return float(numpy.abs(sums / (widths[:, None] * band.shape[0])).max())


def read_pixels(path: Path) -> Pixels:
    """An image as a screen shows it, its colours multiplied by their alpha: what cannot be seen is not compared."""
    try:
        with Image.open(path, formats=PILLOW_FORMATS) as image:
            return _premultiplied(_eight_bits(image))
    except UnidentifiedImageError:
        return _film(path)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow cuts off grey of 16 bits where it should divide."""
    if image.mode.startswith("I"):
        grey = numpy.asarray(image).astype(numpy.uint32) >> 8
        return Image.fromarray(grey.astype(numpy.uint8)).convert("RGBA")
    return image.convert("RGBA")


def _premultiplied(image: Image.Image) -> Pixels:
    return numpy.asarray(image.convert("RGBa"))


def _film(path: Path) -> Pixels:
    """The first layer's colours; scene-linear light shown as sRGB, roughly (a power of 1/2.2)."""
    buffer = oiio.ImageBuf(str(path))
    if not buffer.read(force=True):
        raise OSError(buffer.geterror())
    light: NDArray[numpy.float32] = numpy.asarray(buffer.get_pixels(oiio.FLOAT))[:, :, :4]
    pixels = numpy.full((light.shape[0], light.shape[1], 4), 255, numpy.uint8)
    for channel in range(light.shape[2]):
        shown = numpy.nan_to_num(numpy.clip(light[:, :, channel], 0, 1)) ** (1 / 2.2) * 255
        pixels[:, :, channel] = shown.round()
    return pixels
