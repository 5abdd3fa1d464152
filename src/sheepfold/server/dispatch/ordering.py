"""In which order a session is offered the open projects (ADR 19). Knows no database.

Own projects first (if the machine's owner wants it), then by priority. Among the owners of one priority a machine stays
with the one whose scene it has, seven times of eight; else whoever waited longest has his turn. Of one owner the
oldest project goes first. So artists share the farm evenly, scenes stay loaded, and the projects of one artist are
finished one after the other instead of all at the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from threading import Lock

from sheepfold.server.dispatch.eligibility import OpenProject

STAYING = 7 / 8  # another scene has to be fetched and built, and Blender started for it: for one frame of eight
OVERDUE = 4  # times as many turns as there are owners; nobody stays while somebody waits for so long

Projects = tuple[OpenProject, ...]


@dataclass(slots=True)
class Turns:
    """Since when each owner waits for a turn, in turns. The memory of one process, and of no account after it."""

    _now: int = 0
    _last: dict[int, int] = field(default_factory=dict)

    def take(self, owner_id: int) -> None:
        """It is this owner's turn."""
        self._now += 1
        self._last[owner_id] = self._now

    def last(self, owner_id: int) -> int:
        """The number of the owner's last turn; 0 for one who never had any."""
        return self._last.get(owner_id, 0)

    def is_overdue(self, owner_id: int, owners: int) -> bool:
        """Whether the owner waits for far longer than the others must, or has just come."""
        last = self.last(owner_id)
        return last == 0 or self._now - last > OVERDUE * owners


class Tier:
    """The projects of one priority by owner, and the owners in the order in which their turns come."""

    def __init__(self, projects: Iterable[OpenProject], turns: Turns) -> None:
        self._by_owner = _grouped(projects)
        self._turns = turns
        self._line = dict.fromkeys(sorted(self._by_owner, key=turns.last))
        self._lock = Lock()  # two database threads may share a queue

    def offers(self, staying_with: int | None) -> Iterator[OpenProject]:
        """All its projects. Who is asked for a project has had his turn, whether or not the machine can render it."""
        for owner in self._in_turn(staying_with):
            self._take_turn(owner)
            yield from self._by_owner[owner]

    def _in_turn(self, staying_with: int | None) -> list[int]:
        with self._lock:
            owners = list(self._line)
        if staying_with in self._by_owner and not self._turns.is_overdue(owners[0], len(owners)):
            owners.remove(staying_with)
            owners.insert(0, staying_with)
        return owners

    def _take_turn(self, owner: int) -> None:
        with self._lock:
            self._line[owner] = self._line.pop(owner)
            self._turns.take(owner)


@dataclass(frozen=True, slots=True)
class Queue:
    """All open projects in a form that makes offering cheap: nothing is sorted for a claim."""

    tiers: tuple[Tier, ...]
    of_owner: dict[int, Projects]  # highest priority first


def build_queue(projects: Iterable[OpenProject], turns: Turns) -> Queue:
    """Sort the projects once; ids grow with age."""
    ordered = sorted(projects, key=lambda project: (-project.priority, project.id))
    tiers = tuple(Tier(members, turns) for _, members in groupby(ordered, key=attrgetter("priority")))
    return Queue(tiers=tiers, of_owner=_grouped(ordered))


def offers(queue: Queue, user_id: int, *, own_first: bool, staying_with: int | None) -> Iterator[OpenProject]:
    """The projects in the order in which this user's machine should be offered them, each once.

    `staying_with`: the owner for whom the machine has all it needs, unless it shall look at the others.
    """
    own = queue.of_owner.get(user_id, ()) if own_first else ()
    yield from own
    seen = {project.id for project in own}
    for tier in queue.tiers:
        for project in tier.offers(staying_with):
            if project.id not in seen:
                yield project


def _grouped(projects: Iterable[OpenProject]) -> dict[int, Projects]:
    owners: dict[int, list[OpenProject]] = {}
    for project in projects:
        owners.setdefault(project.owner_id, []).append(project)
    return {owner: tuple(members) for owner, members in owners.items()}
