"""Image formats that the farm renders to, in Blender's words."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """What a frame is stored as."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    TIFF = "TIFF"
    BMP = "BMP"
    TARGA = "TARGA"
    OPEN_EXR = "OPEN_EXR"
    OPEN_EXR_MULTILAYER = "OPEN_EXR_MULTILAYER"
    HDR = "HDR"


EXTENSIONS = {
    OutputFormat.PNG: "png",
    OutputFormat.JPEG: "jpg",
    OutputFormat.WEBP: "webp",
    OutputFormat.TIFF: "tif",
    OutputFormat.BMP: "bmp",
    OutputFormat.TARGA: "tga",
    OutputFormat.OPEN_EXR: "exr",
    OutputFormat.OPEN_EXR_MULTILAYER: "exr",
    OutputFormat.HDR: "hdr",
}

ALIASES = {"TARGA_RAW": OutputFormat.TARGA, "MULTILAYER": OutputFormat.OPEN_EXR_MULTILAYER}


def rendered_format(file_format: str) -> OutputFormat:
    """What the farm renders when the scene asks for `file_format`: films and rare formats become PNG frames."""
    if file_format in ALIASES:
        return ALIASES[file_format]
    return OutputFormat(file_format) if file_format in OutputFormat.__members__ else OutputFormat.PNG
