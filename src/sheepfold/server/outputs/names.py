"""Names of what an owner takes home. Pure."""

import re

EXTENSIONS = {
    "PNG": "png",
    "JPEG": "jpg",
    "JPEG2000": "jp2",
    "WEBP": "webp",
    "TIFF": "tif",
    "BMP": "bmp",
    "TGA": "tga",
    "SGI": "rgb",
    "OPEN_EXR": "exr",
    "HDR": "hdr",
    "DPX": "dpx",
    "CINEON": "cin",
}
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\s]+')  # what some file system refuses, and blanks
MAX_STEM = 80  # leaves room for a frame number and a folder in the 255 bytes of a name, also in four-byte signs


def safe_stem(name: str) -> str:
    """The project's name as the beginning of a file name, usable on every system; `project` if nothing is left."""
    stem = UNSAFE.sub("_", name).strip("._")
    while len(stem.encode()) > MAX_STEM:
        stem = stem[:-1]
    return stem or "project"


def frame_name(project_name: str, frame: int, image_format: str, part: int = 0) -> str:
    """`walk_0007.png`; the format as `results` recorded it. Parts of a split frame are numbered from 1 on."""
    piece = f"_part{part}" if part else ""
    return f"{safe_stem(project_name)}_{frame:04d}{piece}.{EXTENSIONS.get(image_format, 'bin')}"
