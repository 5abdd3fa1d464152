"""Who is offered what, and in which order: no database is needed."""

from collections import Counter, defaultdict
from random import Random

from sheepfold.server.dispatch.eligibility import OpenProject
from sheepfold.server.dispatch.ordering import OVERDUE, STAYING, Queue, Turns, build_queue, offers
from sheepfold.server.projects.models import Visibility

ADA, BEN, CLEO = 1, 2, 3
NOBODY = 99


def _project(number: int, owner: int, priority: int = 0) -> OpenProject:
    return OpenProject(number, owner, None, Visibility.EVERYBODY, priority, use_cpu=True, use_gpu=False, min_ram_kib=0)


def _first(queue: Queue, staying_with: int | None = None) -> int:
    return next(offers(queue, NOBODY, own_first=True, staying_with=staying_with)).owner_id


def test_owners_take_turns_and_the_oldest_project_of_each_goes_first() -> None:
    queue = build_queue([_project(4, ADA), _project(1, ADA), _project(2, BEN), _project(3, CLEO)], Turns())
    taken = [next(offers(queue, NOBODY, own_first=True, staying_with=None)).id for _ in range(6)]
    assert taken == [1, 2, 3, 1, 2, 3]


def test_all_projects_are_offered_once_own_ones_first_then_by_priority() -> None:
    projects = [_project(1, ADA), _project(2, BEN), _project(3, BEN, priority=1), _project(4, CLEO, priority=-1)]
    queue = build_queue(projects, Turns())
    assert [one.id for one in offers(queue, CLEO, own_first=True, staying_with=None)] == [4, 3, 1, 2]
    assert [one.id for one in offers(queue, CLEO, own_first=False, staying_with=None)] == [3, 1, 2, 4]


def test_a_machine_stays_until_somebody_waits_for_too_long() -> None:
    queue = build_queue([_project(1, ADA), _project(2, BEN)], Turns())
    assert [_first(queue), _first(queue)] == [ADA, BEN]
    stays = [_first(queue, staying_with=ADA) for _ in range(2 * OVERDUE + 2)]
    assert stays == [ADA] * (2 * OVERDUE + 1) + [BEN]


def test_who_comes_anew_has_the_next_turn_although_machines_could_stay() -> None:
    turns = Turns()
    before = build_queue([_project(1, ADA), _project(2, BEN)], turns)
    assert [_first(before), _first(before), _first(before, ADA)] == [ADA, BEN, ADA]
    after = build_queue([_project(1, ADA), _project(2, BEN), _project(3, CLEO)], turns)
    assert [_first(after, ADA), _first(after, ADA)] == [CLEO, ADA]


def test_turns_are_remembered_when_the_projects_are_read_anew() -> None:
    turns, projects = Turns(), [_project(1, ADA), _project(2, BEN)]
    assert [_first(build_queue(projects, turns)) for _ in range(4)] == [ADA, BEN, ADA, BEN]


def test_higher_priority_and_older_projects_count_more_than_staying() -> None:
    turns = Turns()
    queue = build_queue([_project(1, ADA), _project(2, BEN, priority=1), _project(3, ADA)], turns)
    for owner in (ADA, BEN):
        turns.take(owner)
    assert [one.id for one in offers(queue, NOBODY, own_first=True, staying_with=ADA)] == [2, 1, 3]


def test_machines_change_scenes_rarely_and_owners_get_equal_shares() -> None:
    random, queue = Random(7), build_queue([_project(owner, owner) for owner in range(10)], Turns())
    had: defaultdict[int, int | None] = defaultdict(lambda: None)
    frames: Counter[int] = Counter()
    changes = 0
    for turn in range(20_000):
        machine = turn % 40
        owner = _first(queue, had[machine] if random.random() < STAYING else None)
        changes += had[machine] not in (None, owner)
        had[machine] = owner
        frames[owner] += 1
    assert changes < 20_000 / 5
    assert all(1_700 < count < 2_300 for count in frames.values())
