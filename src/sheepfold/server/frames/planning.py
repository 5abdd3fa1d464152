"""Frames and an order become tiles with ranks. Pure.

A tile's rank says when it is handed out, lowest first. Frames are not split yet: each has part 0 of 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sheepfold.server.projects.models import FrameOrder


@dataclass(frozen=True, slots=True)
class PlannedTile:
    """A tile to be made."""

    frame: int
    part: int
    parts: int
    rank: int


def plan(frames: Sequence[int], order: FrameOrder, first_rank: int = 0) -> list[PlannedTile]:
    """One tile a frame, ranked from `first_rank` on. `frames` are different numbers, in ascending order."""
    return [PlannedTile(frame, 0, 1, first_rank + index) for index, frame in enumerate(_arranged(frames, order))]


def _arranged(frames: Sequence[int], order: FrameOrder) -> Sequence[int]:
    match order:
        case FrameOrder.FIRST:
            return frames
        case FrameOrder.INWARDS:
            return _inwards(frames)
        case FrameOrder.PREVIEW:
            return _coarse_to_fine(frames)


def _inwards(frames: Sequence[int]) -> list[int]:
    """The first, the last, the second, the last but one …: both ends of a shot are seen early."""
    front, back = frames[: (len(frames) + 1) // 2], frames[(len(frames) + 1) // 2 :][::-1]
    pairs = [frame for pair in zip(front, back, strict=False) for frame in pair]
    return pairs + list(front[len(back) :])


def _coarse_to_fine(frames: Sequence[int]) -> list[int]:
    """Every 16th frame, then those half way between, and so on: the whole shot is seen early."""
    arranged: list[int] = []
    step = 16
    while step > 1 and step >= len(frames):
        step //= 2
    taken: set[int] = set()
    while step >= 1:
        fresh = [index for index in range(0, len(frames), step) if index not in taken]
        taken.update(fresh)
        arranged += [frames[index] for index in fresh]
        step //= 2
    return arranged
