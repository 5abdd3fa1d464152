"""Images like those that machines send."""

import struct
import zlib
from pathlib import Path

import numpy
from PIL import Image

GRAIN = 5  # steps of noise that a path tracer leaves; with it the PNG below has 300 KB
PNG_SIZE = (640, 360)
EXR_SIZE = (2304, 1296)  # four half floats each, zipped: 20 MB


def make_png(path: Path) -> None:
    """300 KB: smooth with grain."""
    width, height = PNG_SIZE
    rows, columns = numpy.mgrid[0:height, 0:width]
    smooth = numpy.stack([columns * 250 / width, rows * 250 / height, (rows + columns) * 250 / (width + height)], -1)
    grain = numpy.random.default_rng(1).integers(0, GRAIN + 1, smooth.shape)
    Image.fromarray((smooth + grain).clip(0, 255).astype("uint8")).save(path)


def make_exr(path: Path) -> None:
    """20 MB: four channels of noise in half floats."""
    import OpenImageIO as oiio  # noqa: N813  here, since it complains on standard error whenever a program ends

    width, height = EXR_SIZE
    pixels = numpy.random.default_rng(1).random((height, width, 4), dtype="float32")
    spec = oiio.ImageSpec(width, height, 4, "half")
    spec.attribute("compression", "zip")
    output = oiio.ImageOutput.create(str(path))
    output.open(str(path), spec)
    output.write_image(pixels)
    output.close()


def small_png(number: int, side: int) -> bytes:
    """A picture of noise like no other one, made in 0.1 ms: 12 KB at 64 pixels."""
    generator = numpy.random.default_rng(number)
    pixels = generator.integers(0, 256, (side, side * 3), dtype="uint8")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
