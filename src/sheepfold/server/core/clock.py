"""The only source of the time, so that nothing else decides about time zones.

Servers whose clocks differ would end each other's leases and sessions: on PostgreSQL all of them take the database's
time. SQLite is on the same machine as its only server.
"""

import time
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection

log = structlog.get_logger()

LOOK_SECONDS = 10.0  # between two looks at the database's clock
TOLERANCE = timedelta(seconds=1)  # what the way to the database may take; less is no difference

_ahead = timedelta()  # of the database before this machine
_due = 0.0


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC) + _ahead


def follow_database() -> None:
    """Take the database's time for ours. Costs a statement, once in LOOK_SECONDS. Raises DatabaseError."""
    global _due
    if connection.vendor != "postgresql" or time.monotonic() < _due:
        return
    with connection.cursor() as cursor:
        asked = datetime.now(UTC)
        cursor.execute("SELECT clock_timestamp()")
        answered = datetime.now(UTC)
        _correct(cursor.fetchone()[0] - (asked + (answered - asked) / 2))
    _due = time.monotonic() + LOOK_SECONDS


def _correct(difference: timedelta) -> None:
    global _ahead
    if abs(difference - _ahead) > TOLERANCE:
        log.warning("this machine's clock is wrong; the database's counts", seconds=difference.total_seconds())
        _ahead = difference
