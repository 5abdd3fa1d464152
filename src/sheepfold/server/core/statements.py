"""Statements written by hand, for the hot path only (ADR 13).

Measured for 64 machines that each claim and complete a tile: Django's query compiler and its model instances took
60 % of the CPU. Everything else in the farm goes through the ORM.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection


def fetch(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What a statement returns. SQLite's booleans are 0 and 1; for times see `moment`."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def change(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement that writes. Returns how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def marks(values: Collection[object]) -> str:
    """The placeholders for `IN (…)`."""
    return ", ".join(["%s"] * len(values))


def numbers(ids: Collection[int]) -> str:
    """Ids written out for `IN (…)`: psycopg takes 4 us to render each parameter, which is most of a short statement."""
    return ", ".join([str(int(value)) for value in ids])


def stored(time: datetime) -> Any:
    """A time in the form that the database's columns have."""
    return connection.ops.adapt_datetimefield_value(time)


def moment(value: datetime) -> datetime:
    """A time that a statement returned. SQLite's have no zone, since Django writes all of them in UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)
