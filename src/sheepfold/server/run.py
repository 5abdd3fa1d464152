"""The processes of a farm: `web` answers requests, `background` does jobs and timers, `serve` runs both."""

import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import TypeAlias

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from sheepfold.environment.parent import SUPERVISED
from sheepfold.server.announcing import announced
from sheepfold.server.core.config import config
from sheepfold.server.core.logs import configure_logs
from sheepfold.server.core.metrics import serve_metrics, shared_metrics
from sheepfold.server.http import answer_requests, open_socket
from sheepfold.server.local import first_run_path, grant_local_access
from sheepfold.server.supervisor import Supervised, end_signals, supervise

DRAIN_SECONDS = 15  # for jobs that run when it is told to end; later ones are done again after the next start
LOOK_SECONDS = 0.5  # between two looks into an empty SQLite queue: somebody waits for the upload to be looked into
POLITENESS = 5  # of jobs, as `nice` counts: people and machines wait for answers
JOB_THREADS = 2  # jobs spend their time in Blender, PyAV and the disk, outside Python's lock


def prepare() -> None:
    """Bring the database to this version's shape."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


Announce: TypeAlias = Callable[[str, str | None], None]


def serve(host: str, port: int, *, web_processes: int, background_processes: int = 1, announce: Announce) -> None:
    """Run everything until SIGTERM or Ctrl-C. `announce` gets the URL, and the path of a new farm's first run.

    Raises OSError when the address cannot be taken.
    """
    with end_signals() as end_wanted, open_socket(host, port) as listening:
        prepare()
        first_run = first_run_path()
        url = _url(listening)
        grant_local_access(url)
        children = [*_web_children(listening, web_processes), *_background_children(background_processes)]
        with shared_metrics(), supervise(children), announced(listening):
            announce(url, first_run)
            end_wanted.wait()


def run_web(listening: socket.socket) -> None:
    """One process that answers requests."""
    configure_logs()
    raise_file_limit()
    answer_requests(listening, trusted_proxies=config().trusted_proxies)


def raise_file_limit() -> None:
    """As many open files as the system allows: every connection is one, and the usual 1024 are soon taken."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_background(metrics: tuple[str, int] | None = None) -> None:
    """One process that does jobs and timers. Any number may run; a timer fires in one of them only.

    `metrics`: the address at which Prometheus may read its metrics. Raises OSError when it cannot be taken.
    """
    configure_logs()
    os.nice(POLITENESS)
    if metrics is not None:
        serve_metrics(*metrics)
    from sheepfold.server.core.jobs import huey
    from sheepfold.server.pipeline import tasks  # noqa: F401  its tasks register themselves
    from sheepfold.server.pipeline.timers import start_timers

    start_timers()
    huey.create_consumer(
        workers=JOB_THREADS, max_delay=LOOK_SECONDS, graceful_signal="TERM", shutdown_timeout=DRAIN_SECONDS
    ).run()


def _web_children(listening: socket.socket, count: int) -> list[Supervised]:
    descriptor = listening.fileno()
    command = _command("web", "--fd", str(descriptor))
    return [Supervised(f"web {number}", command, [descriptor]) for number in range(1, count + 1)]


def _background_children(count: int) -> list[Supervised]:
    return [Supervised(f"background {number}", _command("background")) for number in range(1, count + 1)]


def _command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sheepfold", SUPERVISED, name, *arguments]


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  only compared: this machine reaches every address of itself
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
