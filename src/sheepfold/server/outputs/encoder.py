"""Turns images into an H.264 film. Runs as a process of its own (`python -m`), so that a bad image kills only it.

On the command line: the film's path and the frames a second. On stdin one image path a line; for each, one line comes
back: `ok`, or `skipped` and why. When stdin ends the film is finished and the process ends with 0.
"""

import os
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import numpy
import OpenImageIO
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

QUALITY = {"crf": "18", "preset": "medium"}  # 18: no difference is seen beside the frames
FILM_SUFFIXES = (b"\x76\x2f\x31\x01", b"#?RADIANCE")  # OpenEXR and HDR: linear light
BT709 = 1  # number of primaries, transfer and matrix in H.264
NICE = 10  # films wait for pages and machines, not the other way round

Pixels = NDArray[numpy.uint8]  # height x width x 3, sRGB


class BadImage(Exception):
    """An image that cannot be put into the film."""


class FilmWriter:
    """An mp4 whose size is that of its first image, rounded down to even numbers (at least 2)."""

    def __init__(self, target: Path, fps: Fraction) -> None:
        self._container = av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"})
        self._fps = fps
        self._stream: av.VideoStream | None = None

    def add(self, pixels: Pixels) -> None:
        """Append a frame; one of another size is scaled."""
        if self._stream is None:
            self._stream = self._start(width=pixels.shape[1], height=pixels.shape[0])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            width=self._stream.width,
            height=self._stream.height,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is still in the encoder, and the index."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def _start(self, width: int, height: int) -> "av.VideoStream":
        stream = self._container.add_stream("libx264", rate=self._fps, options=QUALITY)
        stream.width, stream.height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        return stream


def read_image(path: Path) -> Pixels:
    """Any image that a frame may be, over black where it is transparent. Raises BadImage."""
    try:
        with path.open("rb") as file:
            is_light = file.read(10).startswith(FILM_SUFFIXES)
        return _read_light(path) if is_light else _read_colour(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImage(str(error)) from error


def _read_colour(path: Path) -> Pixels:
    with Image.open(path) as image:
        layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "black")
    return numpy.asarray(Image.alpha_composite(ground, layer).convert("RGB"))


def _read_light(path: Path) -> Pixels:
    buffer = OpenImageIO.ImageBuf(str(path))
    if not buffer.read(force=True):
        raise BadImage(buffer.geterror())
    names = list(buffer.spec().channelnames)
    picked = OpenImageIO.ImageBufAlgo.channels(buffer, tuple(colour_channels(names)))
    if picked.has_error:
        raise BadImage(picked.geterror())
    return to_srgb(numpy.asarray(picked.get_pixels(OpenImageIO.FLOAT)))


def colour_channels(names: list[str]) -> list[int]:
    """Which channels are red, green and blue: Blender's `….Combined.R`, plain `R`, else the first ones."""
    layers = [name.removesuffix("R") for name in names if name.endswith(".Combined.R")]
    layers.sort(key=lambda layer: not layer.startswith("Composite"))
    for layer in [*layers, ""]:
        if {layer + colour for colour in "RGB"} <= set(names):
            return [names.index(layer + colour) for colour in "RGB"]
    return [0, 1, 2] if len(names) > 2 else [0, 0, 0]


def to_srgb(light: NDArray[numpy.float32]) -> Pixels:
    """Scene-linear light to sRGB; what is brighter than white is white."""
    clean = numpy.clip(numpy.nan_to_num(light), 0, 1)
    curve = numpy.where(clean <= 0.0031308, clean * 12.92, 1.055 * clean ** (1 / 2.4) - 0.055)
    return (curve * 255 + 0.5).astype(numpy.uint8)


def encode(target: Path, fps: Fraction, paths: Iterable[Path], answers: IO[str]) -> None:
    """Write the film, answering each path with one line."""
    film = FilmWriter(target, fps)
    for path in paths:
        try:
            film.add(read_image(path))
        except BadImage as error:
            print("skipped", " ".join(str(error).split()), file=answers, flush=True)
        else:
            print("ok", file=answers, flush=True)
    film.close()


def main() -> None:
    """Libraries print complaints where they like, so the answers get a pipe of their own and stdout becomes stderr."""
    os.nice(NICE)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    encode(Path(sys.argv[1]), Fraction(sys.argv[2]), (Path(line.rstrip("\n")) for line in sys.stdin), answers)


if __name__ == "__main__":
    main()
