"""What the farm does now, for the start page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Count
from django.db.models.functions import TruncHour

from sheepfold.server.pipeline.farm_numbers import FarmNumbers, read_numbers
from sheepfold.server.results.models import Result, Verdict

KEPT_SECONDS = 20  # of the history; many open pages cost one reading
HISTORY_HOURS = 24

Hours = tuple[tuple[int, int], ...]  # (unix time, frames)


@dataclass(frozen=True, slots=True)
class Overview:
    """The farm's numbers and how many frames came in each of the last hours."""

    numbers: FarmNumbers
    hours: Hours

    @property
    def waiting(self) -> int:
        """Frames that no machine has yet."""
        return self.numbers.frames_left - self.numbers.frames_rendering

    @property
    def seconds_left(self) -> float | None:
        """Until all is done at the pace of the last hour; None: nothing tells."""
        pace = self.numbers.frames_last_hour
        return self.numbers.frames_left * 3600 / pace if pace else None


def overview(now: datetime) -> Overview:
    """As the farm's timer last counted it."""
    return Overview(read_numbers(), frames_by_hour(now))


def frames_by_hour(now: datetime) -> Hours:
    """Accepted frames of the last hours, the current one last; at most a few seconds old."""
    known: Hours | None = cache.get("frames_by_hour")
    if known is None:
        known = _count_by_hour(now)
        cache.set("frames_by_hour", known, KEPT_SECONDS)
    return known


def _count_by_hour(now: datetime) -> Hours:
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    starts = [this_hour - timedelta(hours=back) for back in reversed(range(HISTORY_HOURS))]
    accepted = Result.objects.filter(verdict=Verdict.ACCEPTED, created_at__gte=starts[0])
    found = dict(accepted.annotate(hour=TruncHour("created_at")).values_list("hour").annotate(Count("id")))
    return tuple((int(start.timestamp()), found.get(start, 0)) for start in starts)
