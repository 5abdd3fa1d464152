"""The queue of background work: a second SQLite file beside the first, or tables in the same PostgreSQL.

Jobs carry ids, rows carry the state: a job that runs twice finds the row moved on, and one that was lost
with a killed process is put back by `pipeline.tasks.requeue_lost`.
"""

import time

from django.db import close_old_connections
from huey import Huey, PostgresHuey, SqliteHuey
from huey.api import Task
from huey.signals import SIGNAL_COMPLETE, SIGNAL_ERROR, SIGNAL_EXECUTING, SIGNAL_INTERRUPTED
from prometheus_client import Histogram

from sheepfold.server.core.config import ServerConfig, config
from sheepfold.server.core.metrics import JOB_BUCKETS

LOCK_WAIT_SECONDS = 30  # how long a job waits for another process's write to the queue
JOB_SECONDS = Histogram(
    "sheepfold_job_seconds", "Background jobs by how they ended.", ["job", "end"], buckets=JOB_BUCKETS
)


def make_queue(settings: ServerConfig) -> Huey:
    """The queue of a farm with these settings."""
    if settings.database_url:
        return PostgresHuey("sheepfold", results=False, dsn=settings.database_url)
    return SqliteHuey(
        "sheepfold",
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
