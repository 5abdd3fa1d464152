"""Which status a project may go to from which, as data."""

from sheepfold.server.projects.models import ProjectStatus as Status

ALLOWED: dict[Status, frozenset[Status]] = {
    Status.UPLOADING: frozenset({Status.ANALYSING, Status.REJECTED}),
    Status.ANALYSING: frozenset({Status.READY, Status.REJECTED}),
    Status.READY: frozenset({Status.RENDERING, Status.BLOCKED}),
    Status.RENDERING: frozenset({Status.PAUSED, Status.FINISHED, Status.CANCELLED, Status.BLOCKED}),
    Status.PAUSED: frozenset({Status.RENDERING, Status.FINISHED, Status.CANCELLED, Status.BLOCKED}),
    Status.FINISHED: frozenset({Status.RENDERING, Status.BLOCKED}),
    Status.CANCELLED: frozenset({Status.RENDERING, Status.BLOCKED}),
    Status.REJECTED: frozenset(),
    Status.BLOCKED: frozenset(),
}


def sources(to: Status) -> frozenset[Status]:
    """From where a project may come to this status."""
    return frozenset(status for status, targets in ALLOWED.items() if to in targets)
