"""Frames as people write them: `1-24,30,40-100x10`."""

import re
from collections.abc import Iterable, Iterator

from sheepfold.protocol.limits import MAX_FRAME
from sheepfold.server.core.errors import BadInput

MAX_TEXT = 1000  # characters, as long as the column
MAX_FRAMES = 200_000  # of one project: two hours at 25 frames a second
PIECE = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9})(?:\s*[x:]\s*(\d{1,9}))?)?")


def parse_frames(text: str) -> tuple[int, ...]:
    """The frames, each once, in ascending order. Raises BadInput, saying which piece is wrong."""
    pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
    if not pieces:
        raise BadInput("no frames are given; write for example 1-24,30")
    frames: set[int] = set()
    for piece in pieces:
        frames.update(_range(piece))
        if len(frames) > MAX_FRAMES:
            raise BadInput(f"more than {MAX_FRAMES} frames; split them over several projects")
    return tuple(sorted(frames))


def format_frames(frames: Iterable[int]) -> str:
    """A short text that `parse_frames` reads as these frames. Raises BadInput if none is short enough to be kept."""
    text = ",".join(_piece(*run) for run in _runs(sorted(set(frames))))
    if len(text) > MAX_TEXT:
        raise BadInput("these frames are too scattered; give them as ranges, or split them over several projects")
    return text


def _range(piece: str) -> range:
    match = PIECE.fullmatch(piece)
    if match is None:
        raise BadInput(f"`{piece}` is no frame range; write for example 7, 1-24 or 1-100x10")
    first, last, step = (int(group) if group else None for group in match.groups())
    first = first or 0
    last = first if last is None else last
    step = 1 if step is None else step
    if last < first or step < 1 or last > MAX_FRAME:
        raise BadInput(f"`{piece}`: the frames go upwards from 0 to {MAX_FRAME} at most, in steps of 1 or more")
    if (last - first) // step >= MAX_FRAMES:
        raise BadInput(f"`{piece}` is more than {MAX_FRAMES} frames; split them over several projects")
    return range(first, last + 1, step)


def _piece(first: int, last: int, step: int) -> str:
    if first == last:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}x{step}"


def _runs(frames: list[int]) -> Iterator[tuple[int, int, int]]:
    """First, last and step of the longest even runs; two frames make a run only if they are neighbours."""
    index = 0
    while index < len(frames):
        end = index + 1
        step = frames[end] - frames[index] if end < len(frames) else 1
        while end < len(frames) and frames[end] - frames[end - 1] == step:
            end += 1
        if end - index == 2 and step > 1:
            end = index + 1
        yield frames[index], frames[end - 1], step
        index = end
