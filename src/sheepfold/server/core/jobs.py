"""The queue of background work: a second SQLite file beside the first, or tables in the same PostgreSQL.

Jobs carry ids, rows carry the state: a job that runs twice finds the row moved on, and one that was lost
with a killed process is put back by `pipeline.tasks.requeue_lost`.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from django.db import close_old_connections
from huey import Huey
from huey.api import Task
from huey.signals import SIGNAL_COMPLETE, SIGNAL_ERROR, SIGNAL_EXECUTING, SIGNAL_INTERRUPTED
from huey.storage import PostgresStorage, SqliteStorage
from prometheus_client import Histogram

from sheepfold.server.core.config import ServerConfig, config
from sheepfold.server.core.metrics import JOB_BUCKETS

log = structlog.get_logger()

LOCK_WAIT_SECONDS = 30  # how long a job waits for another process's write to the queue
JOB_SECONDS = Histogram(
    "sheepfold_job_seconds", "Background jobs by how they ended.", ["job", "end"], buckets=JOB_BUCKETS
)


class _Reconnecting:
    """Huey keeps one connection for good; one that was opened when the database took no writes would never take any."""

    def initialize_schema(self) -> None:
        """Make the tables that are missing. A process whose database is away starts all the same, and says so."""
        try:
            super().initialize_schema()  # type: ignore[misc]
        except (sqlite3.Error, psycopg.Error) as error:
            log.warning("queue of jobs not reached", error=str(error))

    @contextmanager
    def db(self, commit: bool = False, close: bool = False) -> Iterator[Any]:
        """A cursor, as Huey's storages give it; whatever fails, the next one is of a new connection."""
        try:
            with super().db(commit, close) as cursor:  # type: ignore[misc]
                yield cursor
        except Exception:
            self.close()  # type: ignore[attr-defined]
            raise


class _PostgresQueue(_Reconnecting, PostgresStorage):  # type: ignore[misc]
    pass


class _SqliteQueue(_Reconnecting, SqliteStorage):  # type: ignore[misc]
    pass


def make_queue(settings: ServerConfig) -> Huey:
    """The queue of a farm with these settings."""
    if settings.database_url:
        return Huey("sheepfold", storage_class=_PostgresQueue, results=False, dsn=settings.database_url)
    return Huey(
        "sheepfold",
        storage_class=_SqliteQueue,
        results=False,
        filename=str(settings.data_dir / "jobs.sqlite3"),
        timeout=LOCK_WAIT_SECONDS,
        fsync=True,
    )


huey = make_queue(config())


@huey.pre_execute()  # type: ignore[untyped-decorator]
@huey.post_execute()  # type: ignore[untyped-decorator]
def _fresh_connections(*_: object) -> None:
    """Worker threads live long; a database connection that broke meanwhile must not fail the next job."""
    close_old_connections()


_started: dict[str, float] = {}  # by the id of each job that runs in this process


@huey.signal(SIGNAL_EXECUTING, SIGNAL_COMPLETE, SIGNAL_ERROR, SIGNAL_INTERRUPTED)  # type: ignore[untyped-decorator]
def _measure(signal: str, task: Task, *_: object) -> None:
    if signal == SIGNAL_EXECUTING:
        _started[task.id] = time.perf_counter()
        return
    seconds = time.perf_counter() - _started.pop(task.id, time.perf_counter())
    JOB_SECONDS.labels(job=task.name, end=signal).observe(seconds)
