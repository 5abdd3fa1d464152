"""When a machine may render."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheepfold.client.schedule import DAYS, parse_timetable

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return MONDAY.replace(day=23 + day, hour=int(hour), minute=int(minute))


@pytest.mark.parametrize(
    ("text", "day", "clock", "allowed"),
    [
        ("", 0, "12:00", True),
        ("09:00-17:00", 3, "09:00", True),
        ("09:00-17:00", 3, "17:00", False),
        ("fri 22:00-06:00", 4, "21:59", False),
        ("fri 22:00-06:00", 4, "23:00", True),
        ("fri 22:00-06:00", 5, "05:59", True),
        ("fri 22:00-06:00", 5, "06:00", False),
        ("fri 22:00-06:00", 4, "05:00", False),
        ("sun 22:00-06:00", 0, "05:00", True),
        ("sat-sun 00:00-24:00", 6, "23:59", True),
        ("sat-mon 10:00-11:00", 0, "10:30", True),
        ("sat-mon 10:00-11:00", 1, "10:30", False),
        ("Mon 10:00-11:00, wed 12:00-13:00", 2, "12:30", True),
        ("mon 12:00-12:00", 1, "11:59", True),
    ],
)
def test_minute_is_allowed(text: str, day: int, clock: str, allowed: bool) -> None:
    assert parse_timetable(text).allows(at(day, clock)) is allowed


def test_next_start() -> None:
    assert parse_timetable("mon 22:00-06:00").next_start(at(1, "07:00")) == datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
    assert parse_timetable("").next_start(at(1, "07:00")) == at(1, "07:00")


@pytest.mark.parametrize("text", ["noon", "10:00", "25:00-26:00", "10:60-11:00", "xyz 10:00-11:00", "24:01-25:00"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mon|time of day|weekday"):
        parse_timetable(text)


@given(
    day=st.sampled_from(DAYS),
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_next_start_is_the_first_allowed_minute(day: str, start: int, end: int, now: datetime) -> None:
    clock = "{:02d}:{:02d}".format
    table = parse_timetable(f"{day} {clock(*divmod(start, 60))}-{clock(*divmod(end, 60))}")
    found = table.next_start(now)
    assert found is not None
    assert table.allows(found)
    minute_before = found - timedelta(minutes=1)
    assert found <= now or minute_before < now or not table.allows(minute_before)
