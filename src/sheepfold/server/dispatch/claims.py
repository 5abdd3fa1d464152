"""Which session renders which tile: all requests that gathered are served together, mostly in one statement.

`claim` is a group handler (core.group_commit): it runs inside the group's transaction.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from sheepfold.protocol.codes import WorkStatus
from sheepfold.server.dispatch import actions
from sheepfold.server.dispatch.eligibility import Offer, OpenProject, obstacle, renders_on_gpu
from sheepfold.server.dispatch.ordering import STAYING, offers
from sheepfold.server.dispatch.picture import MAX_AGE, Picture, PictureBook
from sheepfold.server.dispatch.queries import LeaseFacts
from sheepfold.server.frames import states
from sheepfold.server.frames.queries import has_waiting
from sheepfold.server.frames.states import TakenTile
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.projects.gate import close_for_claims


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that may have a tile, and what it can do now."""

    session: SessionFacts
    offer: Offer


@dataclass(frozen=True, slots=True)
class Grant:
    """A session's lease. `again`: it held it already and asks because it never got our answer."""

    lease: LeaseFacts
    on_gpu: bool = False
    again: bool = False


Outcome = Grant | WorkStatus  # a status says why there is nothing


@dataclass(slots=True)
class _Round:
    """One request on its way through the projects that it may render."""

    claim: Claim
    candidates: Iterator[OpenProject]
    wanted: OpenProject | None = None
    taken: TakenTile | None = None


def claim(claims: Sequence[Claim], *, book: PictureBook, now: datetime) -> list[Outcome]:
    """A tile for each request as far as there are any. Answers in the order asked."""
    seen_before = book.latest
    picture = book.current(MAX_AGE)
    rounds = _take(claims, picture, book, now)
    missed = [one.claim for one in rounds if one.taken is None]
    if missed and picture is seen_before:  # it may have been taken before what they could render was there
        picture = book.current(0)
        late = iter(_take(missed, picture, book, now))
        rounds = [one if one.taken else next(late) for one in rounds]
    return _grant(rounds, picture, now)


def _take(claims: Sequence[Claim], picture: Picture, book: PictureBook, now: datetime) -> list[_Round]:
    rounds = [_Round(one, _candidates(one, picture, book)) for one in claims]
    exhausted: set[int] = set()  # projects in which this group found no more fresh tiles
    pending = rounds
    while pending := _choose(pending, exhausted, picture, now):
        _serve(_by_project(pending, picture), exhausted, now)
        _fill_rooms(pending, picture)
        pending = [one for one in pending if one.taken is None]
    _close(exhausted)
    return rounds


def _candidates(one: Claim, picture: Picture, book: PictureBook) -> Iterator[OpenProject]:
    session, staying_with = one.session, _staying_with(one, picture, book.random)
    own_first = session.own_projects_first
    for project in offers(picture.queue, session.user_id, own_first=own_first, staying_with=staying_with):
        if obstacle(session, one.offer, project) is None:
            yield project


def _staying_with(one: Claim, picture: Picture, random: Random) -> int | None:
    """The owner of a scene that the machine has. Sheepfold's client names the one that it rendered last first; of
    others we do not know, and the first in their order would get more than the rest."""
    known = [owners for md5 in one.offer.archives if (owners := picture.owners_of_archives.get(md5))]
    if not known or random.random() >= STAYING:
        return None
    return random.choice(known[0] if one.session.own_protocol else random.choice(known))


def _choose(pending: list[_Round], exhausted: set[int], picture: Picture, now: datetime) -> list[_Round]:
    """Those that want a fresh tile of some project. Tiles to try again are taken on the way."""
    return [one for one in pending if _advance(one, exhausted, picture, now)]


def _advance(one: _Round, exhausted: set[int], picture: Picture, now: datetime) -> bool:
    while (project := next(one.candidates, None)) is not None:
        if project.id in picture.with_retries and _admitted([_Round(one.claim, iter(()), project)], picture, {}):
            again = states.take_again(project.id, one.claim.session.machine_id, now=now)
            if again:
                one.wanted, one.taken = project, again[0]
                _fill_rooms([one], picture)
                return False
        if project.id not in exhausted:
            one.wanted = project
            return True
    return False


def _by_project(pending: Sequence[_Round], picture: Picture) -> dict[int, list[_Round]]:
    members: defaultdict[int, list[_Round]] = defaultdict(list)
    for one in pending:
        if one.wanted is not None:
            members[one.wanted.id].append(one)
    joining: dict[int, set[int]] = {}
    admitted = {project_id: _admitted(rounds, picture, joining) for project_id, rounds in members.items()}
    return {project_id: rounds for project_id, rounds in admitted.items() if rounds}


def _admitted(members: list[_Round], picture: Picture, joining: dict[int, set[int]]) -> list[_Round]:
    """Those that may join: a group may limit how many machines work for it at once, over all its projects."""
    wanted = members[0].wanted
    room = picture.room_of(wanted)
    if room is None or wanted is None or wanted.group_id is None:
        return members
    machines, admitted = joining.setdefault(wanted.group_id, set(room.machines)), []
    for one in members:
        if one.claim.session.machine_id in machines or len(machines) < room.limit:
            machines.add(one.claim.session.machine_id)
            admitted.append(one)
    return admitted


def _fill_rooms(rounds: Sequence[_Round], picture: Picture) -> None:
    for one in rounds:
        room = picture.room_of(one.wanted) if one.taken is not None else None
        if room is not None:
            room.machines.add(one.claim.session.machine_id)


def _serve(members: dict[int, list[_Round]], exhausted: set[int], now: datetime) -> None:
    if not members:
        return
    taken = states.take_fresh({project_id: len(rounds) for project_id, rounds in members.items()}, now=now)
    for project_id, rounds in members.items():
        tiles = taken.get(project_id, [])
        for one, tile in zip(rounds, tiles, strict=False):
            one.taken = tile
        if len(tiles) < len(rounds):
            exhausted.add(project_id)


def _close(exhausted: set[int]) -> None:
    """A project without waiting tiles costs later claims nothing (1,000 of them left open make a claim 6x dearer)."""
    empty = [project_id for project_id in exhausted if not has_waiting(project_id)]
    if empty:
        close_for_claims(project_ids=empty)


def _grant(rounds: Sequence[_Round], picture: Picture, now: datetime) -> list[Outcome]:
    takings = [
        actions.Taking(one.claim.session, one.taken, one.wanted.max_minutes)
        for one in rounds
        if one.taken is not None and one.wanted is not None
    ]
    leases = iter(actions.grant(takings=takings, now=now))
    return [_outcome(one, leases, picture) for one in rounds]


def _outcome(one: _Round, leases: Iterator[LeaseFacts], picture: Picture) -> Outcome:
    if one.taken is not None and one.wanted is not None:
        return Grant(next(leases), on_gpu=renders_on_gpu(one.claim.offer, one.wanted))
    platform = (one.claim.session.os, one.claim.session.bits)
    return WorkStatus.NO_JOB if platform in picture.platforms else WorkStatus.NO_RENDERER
