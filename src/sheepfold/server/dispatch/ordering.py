"""In which order a session is offered the open projects. Pure.

Own projects first (if the machine's owner wants it), then by priority; owners of the same priority get an equal
chance at each claim, and of one owner the oldest project goes first. So two artists share the farm evenly,
and the projects of one artist are finished one after the other instead of all at the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from random import Random

from sheepfold.server.dispatch.eligibility import OpenProject


@dataclass(frozen=True, slots=True)
class Tier:
    """Projects of one priority, by owner, the oldest first."""

    priority: int
    by_owner: tuple[tuple[OpenProject, ...], ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """All open projects in a form that makes offering cheap: nothing is sorted for a claim."""

    tiers: tuple[Tier, ...]
    of_owner: dict[int, tuple[OpenProject, ...]]  # highest priority first


def build_queue(projects: Iterable[OpenProject]) -> Queue:
    """Sort the projects once; ids grow with age."""
    ordered = sorted(projects, key=lambda project: (-project.priority, project.id))
    tiers = tuple(
        Tier(priority, tuple(_grouped(list(members)).values()))
        for priority, members in groupby(ordered, key=attrgetter("priority"))
    )
    return Queue(tiers=tiers, of_owner=_grouped(ordered))


def offers(queue: Queue, user_id: int, own_first: bool, random: Random) -> Iterator[OpenProject]:
    """The projects in the order in which this user's machine should be offered them, each once."""
    own = queue.of_owner.get(user_id, ()) if own_first else ()
    yield from own
    seen = {project.id for project in own}
    for tier in queue.tiers:
        for owner_projects in _shuffled(tier.by_owner, random):
            for project in owner_projects:
                if project.id not in seen:
                    yield project


def _shuffled(owners: tuple[tuple[OpenProject, ...], ...], random: Random) -> Iterator[tuple[OpenProject, ...]]:
    """A random order, made only as far as it is used: most claims take the first owner."""
    rest = list(range(len(owners)))
    while rest:
        index = random.randrange(len(rest))
        rest[index], rest[-1] = rest[-1], rest[index]
        yield owners[rest.pop()]


def _grouped(projects: list[OpenProject]) -> dict[int, tuple[OpenProject, ...]]:
    owners: dict[int, list[OpenProject]] = {}
    for project in projects:
        owners.setdefault(project.owner_id, []).append(project)
    return {owner: tuple(members) for owner, members in owners.items()}
