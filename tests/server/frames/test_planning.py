"""The order in which frames are handed out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheepfold.server.frames.planning import plan
from sheepfold.server.projects.models import FrameOrder


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (FrameOrder.FIRST, [1, 2, 3, 4, 5, 6, 7]),
        (FrameOrder.INWARDS, [1, 7, 2, 6, 3, 5, 4]),
        (FrameOrder.PREVIEW, [1, 5, 3, 7, 2, 4, 6]),
    ],
)
def test_orders(order: FrameOrder, expected: list[int]) -> None:
    assert [tile.frame for tile in plan(range(1, 8), order)] == expected


def test_ranks_go_on_where_the_last_plan_ended() -> None:
    assert [tile.rank for tile in plan([5, 6], FrameOrder.FIRST, first_rank=10)] == [10, 11]


@given(st.sets(st.integers(0, 10_000), max_size=300), st.sampled_from(FrameOrder))
def test_every_order_has_every_frame_once_with_ranks_from_zero(frames: set[int], order: FrameOrder) -> None:
    planned = plan(sorted(frames), order)

    assert sorted(tile.frame for tile in planned) == sorted(frames)
    assert [tile.rank for tile in planned] == list(range(len(frames)))
