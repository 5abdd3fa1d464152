"""How much of a machine's work is verified, and whose picture counts."""

import pytest

from sheepfold.server.results.trust import (
    LEAST_RATE,
    TRUSTED,
    Agreed,
    Open,
    Picture,
    decide,
    is_trusted,
    join,
    sample_rate,
)


def vote(number: int, agreed: int = 0, camp: int | None = None) -> Picture:
    return Picture(number, 100 + number, agreed, camp)


def decided(*pictures: Picture) -> tuple[set[int], set[int]] | Open:
    decision = decide(pictures)
    if not isinstance(decision, Agreed):
        return decision
    return {one.id for one in decision.right}, {one.id for one in decision.wrong}


def test_every_frame_of_a_new_machine_is_verified_and_less_than_a_tenth_of_a_trusted_ones() -> None:
    assert [sample_rate(agreed) for agreed in range(6)] == [1, 0.5, 0.25, 0.125, 0.0625, LEAST_RATE]
    assert sample_rate(10_000) == LEAST_RATE
    assert sample_rate(TRUSTED) < 0.1 < sample_rate(TRUSTED - 1)
    assert (is_trusted(TRUSTED), is_trusted(TRUSTED - 1)) == (True, False)


def test_two_that_agree_are_right_and_one_alone_is_not() -> None:
    assert decided(vote(1, camp=1), vote(2, camp=1)) == ({1, 2}, set())
    assert decided(vote(1, camp=1), vote(2, camp=2)) is Open.DOUBTFUL


@pytest.mark.parametrize(("camps", "wrong"), [((1, 2, 1), {2}), ((1, 2, 2), {1})])
def test_a_third_decides_between_two(camps: tuple[int, ...], wrong: set[int]) -> None:
    votes = [vote(number, camp=camp) for number, camp in enumerate(camps, start=1)]
    assert decided(*votes) == ({1, 2, 3} - wrong, wrong)


def test_two_newcomers_cannot_outvote_a_trusted_machine() -> None:
    trusted, one, other = vote(1, agreed=TRUSTED, camp=1), vote(2, camp=2), vote(3, camp=2)
    assert decided(trusted, one, other) is Open.DOUBTFUL
    assert decided(trusted, one, other, vote(4, agreed=TRUSTED, camp=1)) == ({1, 4}, {2, 3})
    assert decided(trusted, one, other, vote(4, agreed=TRUSTED, camp=2)) == ({2, 3, 4}, {1})


def test_two_that_agree_are_not_enough_against_two_others() -> None:
    votes = [vote(number, camp=camp) for number, camp in enumerate((1, 2, 3, 3, 3), start=1)]
    assert decided(*votes[:4]) is Open.DOUBTFUL
    assert decided(*votes) == ({3, 4, 5}, {1, 2})


def test_what_no_two_machines_render_alike_blames_nobody() -> None:
    votes = [vote(number, camp=number) for number in range(1, 6)]
    assert decided(*votes[:4]) is Open.DOUBTFUL
    assert decided(*votes) is Open.HOPELESS


def test_a_picture_joins_the_camp_that_it_looks_like_and_unites_two() -> None:
    def camps(alike: set[int]) -> list[int | None]:
        return [one.camp for one in join([vote(1, camp=1), vote(2, camp=2)], vote(3), frozenset(alike))]

    assert camps(set()) == [1, 2, 3]
    assert camps({2}) == [1, 2, 2]
    assert camps({1, 2}) == [1, 1, 1]
