"""Frames as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheepfold.server.core.errors import BadInput
from sheepfold.server.projects.frame_ranges import MAX_FRAMES, format_frames, parse_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("7", (7,)),
        ("1-3", (1, 2, 3)),
        ("3,1-2,2", (1, 2, 3)),
        (" 1 - 3 , 10 ", (1, 2, 3, 10)),
        ("0-10x5", (0, 5, 10)),
        ("0-10:5", (0, 5, 10)),
        ("1-4x2,", (1, 3)),
        ("1048574", (1048574,)),
    ],
)
def test_ranges_are_read(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "no frames"),
        (" , ", "no frames"),
        ("a", "`a`"),
        ("-3", "`-3`"),
        ("1-2-3", "`1-2-3`"),
        ("3-1", "`3-1`"),
        ("1-9x0", "`1-9x0`"),
        ("1048575", "`1048575`"),
        ("1-3;5", "`1-3;5`"),
        ("1,2,9999999999", "`9999999999`"),
        ("0-1000000", f"more than {MAX_FRAMES}"),
        ("0-199999,200000-399999", f"more than {MAX_FRAMES}"),
    ],
)
def test_what_is_no_range_is_named(text: str, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        parse_frames(text)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_what_is_written_is_read_back(frames: set[int]) -> None:
    assert parse_frames(format_frames(frames)) == tuple(sorted(frames))


@pytest.mark.parametrize(
    ("text", "short"),
    [("1,2,3,7", "1-3,7"), ("1-9x2", "1-9x2"), ("1,5", "1,5"), ("1,2", "1-2"), ("0,10,20,30,31", "0-30x10,31")],
)
def test_even_runs_are_written_short(text: str, short: str) -> None:
    assert format_frames(parse_frames(text)) == short


def test_frames_too_scattered_to_be_kept_are_refused() -> None:
    with pytest.raises(BadInput, match="too scattered"):
        format_frames(number * number for number in range(500))
