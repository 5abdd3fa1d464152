"""A small picture in the terminal: each character shows two pixels, one above the other."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError
from rich.text import Text

_UPPER_HALF = "▀"


def thumbnail(path: Path, width: int = 32) -> Text | None:
    """The picture, `width` characters wide; None for what is not there any more or has no 8-bit colours, as EXR."""
    try:
        with Image.open(path) as picture:
            height = max(round(picture.height * width / picture.width / 2) * 2, 2)
            small = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    text = Text()
    for y in range(0, height, 2):
        for x in range(width):
            upper, lower = _colour(small, x, y), _colour(small, x, y + 1)
            text.append(_UPPER_HALF, style=f"{upper} on {lower}")
        text.append("\n")
    return text


def _colour(picture: Image.Image, x: int, y: int) -> str:
    red, green, blue = picture.getpixel((x, y))  # type: ignore[misc]
    return f"#{red:02x}{green:02x}{blue:02x}"
