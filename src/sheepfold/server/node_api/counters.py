"""What the node API counts: each answer once, after its commit. Labels are our own words, never a request's."""

from collections.abc import Callable
from functools import lru_cache, partial

from prometheus_client import Counter, Histogram

from sheepfold.protocol.codes import ConfigStatus, HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.server.core.metrics import REQUEST_BUCKETS

REQUEST_SECONDS = Histogram(
    "sheepfold_node_request_seconds",
    "Requests of machines until the answer begins.",
    ["endpoint", "status"],
    buckets=REQUEST_BUCKETS,
)
BROKEN = Counter("sheepfold_node_broken_requests", "Requests of machines that met a mistake of the farm.", ["endpoint"])
LOGINS = Counter("sheepfold_logins", "Answers to machines that log in.", ["answer"])
WORK = Counter("sheepfold_work", "Answers to machines that ask for a tile; `ok` is a claim.", ["answer"])
UPLOADS = Counter("sheepfold_uploads", "Answers to uploaded frames.", ["answer"])
HEARTBEATS = Counter("sheepfold_heartbeats", "Answers to signs of life.", ["answer"])
REPORTS = Counter("sheepfold_error_reports", "Errors that machines reported.")

Status = ConfigStatus | WorkStatus | UploadStatus | HeartbeatStatus


def request_seconds(endpoint: str) -> Callable[[int], Histogram]:
    """The histogram of an endpoint by HTTP status. The library looks each up under a lock; there are few."""
    return lru_cache(partial(REQUEST_SECONDS.labels, endpoint))


def count(counter: Counter, status: Status | int) -> None:
    """One answer more. Numbers that only some generations know are counted as they are."""
    _of_answer(counter, getattr(status, "name", str(status)).lower()).inc()


@lru_cache
def _of_answer(counter: Counter, answer: str) -> Counter:
    return counter.labels(answer=answer)
