"""Slow numbers that every job answer shows, and which archives machines may delete. Read every few seconds at most."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sheepfold.protocol.messages import Stats
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.farm_numbers import read_numbers
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.renderers.models import RendererArchive
from sheepfold.server.results.queries import balances

Value = TypeVar("Value")

FARM_SECONDS = 5.0
BALANCE_SECONDS = 30.0
MILLI = 1000
QUESTIONS_PER_SECOND = 100  # of idle machines, all together
SHORTEST_WAIT, LONGEST_WAIT = 5, 900  # seconds


@dataclass(slots=True)
class Kept(Generic[Value]):
    """A value that is read again when it is older than `seconds`."""

    read: Callable[[], Value]
    seconds: float
    _value: Value | None = None
    _at: float = field(default=-1e9)

    def get(self) -> Value:
        """The value, at most `seconds` old."""
        if self._value is None or time.monotonic() - self._at > self.seconds:
            self._value, self._at = self.read(), time.monotonic()
        return self._value


@dataclass(frozen=True, slots=True)
class _Balance:
    """Thousandths of a point that a user had, and when that was read."""

    millipoints: int
    at: float


_NEVER = _Balance(0, float("-inf"))


class FarmFacts:
    """The slow numbers of one process."""

    def __init__(self) -> None:
        self._numbers = Kept(read_numbers, FARM_SECONDS)
        self._wanted = Kept(_wanted_md5s, FARM_SECONDS)
        self._balances: dict[int, _Balance] = {}

    def look_up_balances(self, user_ids: Iterable[int]) -> None:
        """Read what `stats` will need, in one statement however many are asked for."""
        old = time.monotonic() - BALANCE_SECONDS
        wanted = {user_id for user_id in user_ids if self._balances.get(user_id, _NEVER).at < old}
        found, read_at = balances(wanted), time.monotonic()
        self._balances |= {user_id: _Balance(found.get(user_id, 0), read_at) for user_id in wanted}

    def stats(self, session: SessionFacts) -> Stats:
        """What a machine's owner sees with each job, after `look_up_balances`."""
        numbers = self._numbers.get()
        return Stats(
            credits_session=session.frames_done,
            credits_total=max(0, self._balances[session.user_id].millipoints // MILLI),
            frame_remaining=numbers.frames_left,
            waiting_project=numbers.open_projects,
            connected_machine=numbers.connected_machines,
            renderable_project=numbers.open_projects,
        )

    def wait_seconds(self) -> int:
        """When a machine without work may ask again: soon on a small farm, and never more than the farm can answer."""
        per_machine = self._numbers.get().connected_machines // QUESTIONS_PER_SECOND
        return min(max(per_machine, SHORTEST_WAIT), LONGEST_WAIT)

    def unwanted(self, cached_md5s: Iterable[str]) -> tuple[str, ...]:
        """Archives that no open project needs any more."""
        cached = tuple(cached_md5s)
        wanted = self._wanted.get() if cached else frozenset()
        return tuple(md5 for md5 in cached if md5 not in wanted)


def _wanted_md5s() -> frozenset[str]:
    scenes = Project.objects.filter(
        status__in=(ProjectStatus.READY, ProjectStatus.RENDERING, ProjectStatus.PAUSED), deleted_at=None
    )
    renderers = RendererArchive.objects.values_list("blob__md5", flat=True)
    return frozenset(renderers) | frozenset(scenes.exclude(archive=None).values_list("archive__md5", flat=True))
