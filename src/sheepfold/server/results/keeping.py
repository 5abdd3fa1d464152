"""An image that was looked into goes to the store, with its thumbnail. Knows no database: decoding processes do it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sheepfold.server.core.storage import BlobRef, DiskStorage, Storage
from sheepfold.server.results.checks import ImageFacts, NotAnImage, Oversized, inspect

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TGA": "image/x-tga",
    "TIFF": "image/tiff",
    "OPEN_EXR": "image/x-exr",
    "HDR": "image/vnd.radiance",
}
THUMBNAIL_TYPE = "image/webp"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that is in the store, with its thumbnail."""

    facts: ImageFacts
    blob: BlobRef
    thumbnail: BlobRef


Taken = KeptImage | NotAnImage | Oversized


def keep(path: Path, facts: ImageFacts, target: Storage) -> KeptImage:
    """Move the file into the store. Raises OSError or Unavailable; then it stays where it was."""
    blob = target.keep(path, MEDIA_TYPES.get(facts.format, "application/octet-stream"))
    return KeptImage(facts, blob, target.keep_bytes(facts.thumbnail, THUMBNAIL_TYPE))


def take_in(path: Path, most_pixels: int, target: DiskStorage) -> Taken:
    """Decode the file and keep it if it is an image. It stays where it is, so that this can be done once more."""
    facts = inspect(path, most_pixels)
    if not isinstance(facts, ImageFacts):
        return facts
    twin = _twin(path)
    try:
        return keep(twin, facts, target)
    finally:
        twin.unlink(missing_ok=True)


def _twin(path: Path) -> Path:
    """Another name for the same file; where the filesystem has no such thing, a copy."""
    twin = path.with_name(f"{path.name}.kept")
    twin.unlink(missing_ok=True)  # a decoding process may have died between this and its end
    try:
        os.link(path, twin)
    except OSError:
        shutil.copyfile(path, twin)
    return twin
