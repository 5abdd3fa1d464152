"""When a machine may render. Pure: times come in as arguments."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY = re.compile(r"(?:(?P<days>[a-z-]+)\s+)?(?P<start>\d{1,2}:\d{2})-(?P<end>\d{1,2}:\d{2})")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes of the day from `start` until before `end` on a weekday (0 = Monday); past midnight if end <= start."""

    day: int
    start: int
    end: int

    def covers(self, day: int, minute: int) -> bool:
        """Whether a minute of a weekday lies inside, the small hours of the next day included."""
        if self.end > self.start:
            return day == self.day and self.start <= minute < self.end
        late = day == self.day and minute >= self.start
        return late or (day == (self.day + 1) % 7 and minute < self.end)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Spans in which the machine renders. Without any it always does."""

    spans: tuple[Span, ...] = ()

    def allows(self, now: datetime) -> bool:
        minute = now.hour * 60 + now.minute
        return not self.spans or any(span.covers(now.weekday(), minute) for span in self.spans)

    def next_start(self, now: datetime) -> datetime | None:
        """The first minute from now on that is allowed; None when there is none within a week."""
        at = now.replace(second=0, microsecond=0)
        steps = (at + timedelta(minutes=offset) for offset in range(7 * _DAY_MINUTES + 1))
        return next((moment for moment in steps if self.allows(moment)), None)


def parse_timetable(text: str) -> Timetable:
    """`mon-fri 22:00-06:00, sat 00:00-24:00, 12:00-13:00` (every day). Raises ValueError saying what is wrong."""
    spans: list[Span] = []
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"{entry!r} is not like 'mon-fri 22:00-06:00'")
        start, end = _minutes(match["start"]), _minutes(match["end"])
        spans += [Span(day, start, end) for day in _days(match["days"])]
    return Timetable(tuple(spans))


def _days(text: str | None) -> list[int]:
    if text is None:
        return list(range(7))
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{text!r} is no weekday; use {', '.join(DAYS)}")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [(start + step) % 7 for step in range((end - start) % 7 + 1)]


def _minutes(text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if hours > 24 or minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"{text!r} is no time of day")
    return hours * 60 + minutes
