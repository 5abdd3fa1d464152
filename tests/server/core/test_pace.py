"""When groups of requests begin: at once while few ask, a little apart where many do."""

from sheepfold.server.core.group_commit import CROWD, PAUSE, Pace

NOON = 1000.0


def test_who_is_alone_never_waits() -> None:
    pace = Pace()
    for number in range(50):
        moment = NOON + number * PAUSE / 10
        assert pace.next_start(moment) == moment
        pace.note(1)


def test_many_requests_are_held_back_until_groups_are_apart() -> None:
    pace = _crowded()
    assert [pace.next_start(NOON) for _ in range(3)] == [NOON, NOON + PAUSE, NOON + PAUSE + PAUSE]


def test_a_group_that_comes_late_begins_at_once() -> None:
    pace = _crowded()
    assert pace.next_start(NOON) == NOON
    assert pace.next_start(NOON + 2 * PAUSE) == NOON + 2 * PAUSE


def test_it_is_over_when_few_ask_again() -> None:
    pace = _crowded()
    for _ in range(50):
        pace.note(1)
    assert [pace.next_start(NOON), pace.next_start(NOON)] == [NOON, NOON]


def _crowded() -> Pace:
    pace = Pace()
    for _ in range(50):
        pace.note(round(CROWD) + 1)
    return pace
