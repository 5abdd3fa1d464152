"""What Prometheus reads. Each stage declares its own metrics with prometheus-client; here they are written out.

A process alone counts in memory. Processes that answer on one socket cannot be asked one by one, so whoever starts
them opens a folder in memory in which they count together, and any of them answers for all. Not on a disk: writing
to the mapping of a file on a full disk kills the process.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    start_http_server,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client reads it when it is imported
MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it has a random name and is its owner's alone

PREFIX = "sheepfold-metrics-"
NEW_SECONDS = 60

# Seconds. A claim takes milliseconds, a download minutes.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
JOB_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 1800)


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Processes that are started inside count together. A process that died keeps its part of the sums."""
    parent = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as folder, _locked(Path(folder)):
        os.environ[SHARED] = folder
        try:
            yield
        finally:
            del os.environ[SHARED]


def _remove_abandoned(parent: Path) -> None:
    """Folders of this user whose owner was killed: nobody holds their lock. A new one may not be locked yet."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it just went, or it is another user's, or it is in use
            if time.time() - folder.stat().st_mtime > NEW_SECONDS:
                with _locked(folder):
                    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def written_metrics() -> bytes:
    """All metrics of this process, or of those that count together, in Prometheus' text form."""
    if SHARED not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def serve_metrics(host: str, port: int) -> None:
    """Answer Prometheus at this address for as long as the process lives. For processes without a web server."""
    start_http_server(port, addr=host)


@dataclass(frozen=True)
class GaugeFact:
    """A number that was just read, and what it means."""

    name: str
    meaning: str
    value: float


def written_gauges(facts: Iterable[GaugeFact]) -> bytes:
    """The same text form for numbers that are not counted but known."""
    registry = CollectorRegistry()
    registry.register(_Known(GaugeMetricFamily(fact.name, fact.meaning, fact.value) for fact in facts))
    return generate_latest(registry)


class _Known(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
