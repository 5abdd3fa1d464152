"""The cage around Blender: what it may read, write and reach."""

from collections.abc import Sequence
from typing import Protocol

from sheepfold.client.task import RenderTask


class Cage(Protocol):
    """Turns the words that start a renderer into words that start it caged."""

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]: ...


class NoCage:
    """No cage at all: for owners who trust every scene."""

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]:
        return list(words)
