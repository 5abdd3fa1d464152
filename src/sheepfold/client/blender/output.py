"""Facts in Blender's log lines, from 2.7x to 5.x. Pure.

The forms differ per version: `Fra:1 Mem:… (0.00M, Peak 8.7M) | Remaining:00:12.3 | … Path Tracing Tile 3/40` (2.7x),
`Rendered 3/16 Tiles, Sample 12/128` (2.8x to 4.x), `Fra: 1 | Remaining: 00:12.3 | Sample 1/32` behind a time stamp
(5.x), ` Part 3-135` (Blender Internal).
"""

import re
from dataclasses import dataclass

from sheepfold.protocol.codes import ErrorKind


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What one line says. `None` = nothing about it."""

    fraction: float | None = None
    remaining: float | None = None  # seconds
    peak_kib: int | None = None
    error: ErrorKind | None = None


ERROR_LINES: tuple[tuple[str, ErrorKind], ...] = (
    ("CUDA error: Out of memory", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("CUDA error: Launch exceeded timeout in", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("CUDA error at cuCtxCreate: Out of memory", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Invalid value in cuTexRefSetAddress(", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Launch failed in cuCtxSynchronize()", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Illegal address in cuCtxSynchronize()", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Error: Out of memory in CUDA", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Error: Illegal address in CUDA", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("Error: Out of memory in cu", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("System is out of GPU memory", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("System is out of GPU and shared host memory", ErrorKind.OUT_OF_VIDEO_MEMORY),
    ("CUDA device supported only with compute capability", ErrorKind.GPU_UNSUPPORTED),
    ("CUDA kernel compilation failed", ErrorKind.GPU_UNSUPPORTED),
    ("instance of 'boost::filesystem::filesystem_error'", ErrorKind.NO_OUTPUT_FILE),
    ("instance of 'std::bad_alloc'", ErrorKind.OUT_OF_MEMORY),
    ("what(): std::bad_alloc", ErrorKind.OUT_OF_MEMORY),
    ("Calloc returns null", ErrorKind.OUT_OF_MEMORY),
    ("Malloc returns null", ErrorKind.OUT_OF_MEMORY),
    ("EXCEPTION_ACCESS_VIOLATION", ErrorKind.RENDERER_CRASHED),
    ("Error: File format is not supported", ErrorKind.RENDERER_CRASHED),
    ("Fatal Python error:", ErrorKind.PYTHON_ERROR),
    ("Engine 'CYCLES' not available for scene", ErrorKind.ENGINE_UNAVAILABLE),
    ("Engine 'BLENDER_EEVEE", ErrorKind.ENGINE_UNAVAILABLE),
    ("Warning: Cycles is not enabled!", ErrorKind.ENGINE_UNAVAILABLE),
    (
        "OpenImageDenoise error: SSE4.1 support is required",
        ErrorKind.DENOISING_UNSUPPORTED,
    ),
    ("OpenImageDenoiser is not supported on this CPU", ErrorKind.DENOISING_UNSUPPORTED),
    ("No device available to denoise on", ErrorKind.DENOISING_UNSUPPORTED),
    ("Unable to open a display", ErrorKind.HEADLESS),
)

_COUNT = r"(\d+) ?/ ?(\d+)"
_TILES = re.compile(rf"(?:Rendered|Path Tracing Tile|Rendering|Tile) {_COUNT}", re.IGNORECASE)
_SAMPLES = re.compile(rf"Sample {_COUNT}", re.IGNORECASE)
_PARTS = re.compile(r" Part (\d+)-(\d+)")
_REMAINING = re.compile(r"Remaining: ?((?:\d+:){1,2}\d+(?:\.\d+)?)", re.IGNORECASE)
_PEAK = re.compile(r"Peak:? ?(\d+(?:\.\d+)?) ?([KMGT])", re.IGNORECASE)
_KIB = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}


def parse_line(line: str) -> LineFacts:
    """Everything that one line tells."""
    if "Fra:" in line:
        return LineFacts(_fraction(line), _remaining(line), _peak_kib(line), find_error(line))
    return LineFacts(error=find_error(line))


def find_error(line: str) -> ErrorKind | None:
    """The kind of failure that a line announces, if it does."""
    return next((kind for text, kind in ERROR_LINES if text in line), None)


def _fraction(line: str) -> float | None:
    tiles = _ratio(_TILES.search(line)) or _ratio(_PARTS.search(line))
    samples = _ratio(_SAMPLES.search(line))
    if tiles is None:
        return samples and min(samples[0] / samples[1], 1.0)
    within = samples[0] / samples[1] if samples else 0.0
    return min((tiles[0] + within) / tiles[1], 1.0)


def _ratio(match: re.Match[str] | None) -> tuple[int, int] | None:
    if match is None or int(match[2]) == 0:
        return None
    return int(match[1]), int(match[2])


def _remaining(line: str) -> float | None:
    match = _REMAINING.search(line)
    if match is None:
        return None
    seconds = 0.0
    for part in match[1].split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _peak_kib(line: str) -> int | None:
    peaks = [float(number) * _KIB[unit.upper()] for number, unit in _PEAK.findall(line)]
    return round(max(peaks)) if peaks else None
