"""What an uploaded image is, and what to think of it. Pure but for reading the file; runs in a process of its own.

Pillow reads the common formats, OpenImageIO those of film (EXR, HDR, TIFF with floats, DPX).
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy
import OpenImageIO as oiio  # noqa: N813  the name that its own documentation uses
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 1 << 28  # 16k x 16k; a bomb claims far more than its bytes can hold
MAX_CHANNELS = 512  # all passes of ten view layers have 400; memory is bounded besides
MAX_REASON = 200  # signs
TOLERATED = 4  # times the expected pixels: what is larger than that is refused for its size without being decoded
THUMBNAIL = (320, 320)
PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "TGA", "BMP", "SGI", "JPEG2000")
FILM_MAGIC = (  # first bytes: OpenImageIO would otherwise try fifty other formats on a stranger's file
    b"\x76\x2f\x31\x01", b"#?RADIANCE", b"#?RGBE", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"SDPX", b"XPDS",
    b"\x80\x2a\x5f\xd7", b"\xd7\x5f\x2a\x80",
)  # fmt: skip
FILM_FORMATS = {"openexr": "OPEN_EXR", "hdr": "HDR", "tiff": "TIFF", "dpx": "DPX", "cineon": "CINEON"}

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A decodable image. `format` in Blender's words; `constant`: every pixel is the same; a PNG thumbnail."""

    format: str
    width: int
    height: int
    constant: bool
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class NotAnImage:
    """Why a file cannot be used as a frame."""

    reason: str

    @classmethod
    def said(cls, words: str) -> "NotAnImage":
        """In a decoder's words: some write a line for each row, or repeat what the file holds."""
        line = next(iter(words.strip().splitlines()), "it does not fit into memory")
        return cls("".join(sign for sign in line if sign.isprintable())[:MAX_REASON])


@dataclass(frozen=True, slots=True)
class Oversized:
    """An image with far more pixels than were asked for. It was not decoded."""

    width: int
    height: int


Inspected = ImageFacts | NotAnImage | Oversized


def pixel_limit(width: int, height: int) -> int:
    """The most pixels of an image that are worth decoding where one of this size is expected; 0 x 0: any size."""
    return min(MAX_PIXELS, width * height * TOLERATED) if width and height else MAX_PIXELS


def inspect(path: Path, most_pixels: int = MAX_PIXELS) -> Inspected:
    """Decode a file wholly: a truncated image is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(path, most_pixels)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        return NotAnImage.said(str(error))
    except Image.DecompressionBombWarning as error:
        return NotAnImage.said(str(error))


def _decode(path: Path, most_pixels: int) -> Inspected:
    try:
        return _with_pillow(path, most_pixels)
    except UnidentifiedImageError:
        return _with_openimageio(path, most_pixels)


def _with_pillow(path: Path, most_pixels: int) -> Inspected:
    with Image.open(path, formats=PILLOW_FORMATS) as image:
        if image.width * image.height > most_pixels:
            return Oversized(image.width, image.height)
        image.verify()  # checksums, where the format has them; decoding alone forgives a PNG's missing end
    with Image.open(path, formats=PILLOW_FORMATS) as image:
        image.load()
        return ImageFacts(
            format=str(image.format),
            width=image.width,
            height=image.height,
            constant=_is_constant(image),
            thumbnail=_thumbnail(image),
        )


def _is_constant(image: Image.Image) -> bool:
    extrema = image.getextrema()
    bands = [extrema] if isinstance(extrema[0], int | float) else extrema
    return all(low == high for low, high in bands)


def _thumbnail(image: Image.Image) -> bytes:
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    small = image.convert("RGBA" if has_alpha else "RGB")
    small.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def _with_openimageio(path: Path, most_pixels: int) -> Inspected:
    with path.open("rb") as file:
        known = file.read(16).startswith(FILM_MAGIC)
    if not known:
        return NotAnImage("no image format that the farm knows")
    source = oiio.ImageInput.open(str(path))
    if source is None:
        return NotAnImage.said(oiio.geterror())
    kind = FILM_FORMATS.get(source.format_name())
    spec = source.spec()
    source.close()
    if kind is None:
        return NotAnImage(f"{path.suffix or 'this'} is not an image that Blender writes")
    if spec.nchannels > MAX_CHANNELS:
        return NotAnImage(f"{spec.nchannels} channels are more than the farm takes")
    if spec.width * spec.height * spec.depth > most_pixels:
        return Oversized(spec.width, spec.height)
    return _film_facts(path, kind)


def _film_facts(path: Path, kind: str) -> Inspected:
    buffer = oiio.ImageBuf(str(path))
    if not buffer.read(force=True):
        return NotAnImage.said(buffer.geterror())
    stats = oiio.ImageBufAlgo.computePixelStats(buffer)
    return ImageFacts(
        format=kind,
        width=buffer.spec().full_width,
        height=buffer.spec().full_height,
        constant=list(stats.min) == list(stats.max),
        thumbnail=_film_thumbnail(buffer),
    )


def _film_thumbnail(buffer: "oiio.ImageBuf") -> bytes:
    """Scene-linear light shown as sRGB, roughly (a power of 1/2.2): this is a thumbnail."""
    scale = min(1.0, THUMBNAIL[0] / buffer.spec().width)
    shape = oiio.ROI(0, max(1, int(buffer.spec().width * scale)), 0, max(1, int(buffer.spec().height * scale)))
    pixels = oiio.ImageBufAlgo.resample(buffer, roi=shape).get_pixels(oiio.FLOAT)
    light = numpy.nan_to_num(numpy.clip(numpy.asarray(pixels)[..., :3], 0, 1)) ** (1 / 2.2)
    colour = light if light.shape[2] == 3 else numpy.repeat(light[..., :1], 3, axis=2)
    return _thumbnail(Image.fromarray((colour * 255).astype("uint8")))
