"""The frames that this device holds right now, seen by the render loop, the heartbeat and the uploader."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sheepfold.client.task import Progress, StopFlag
from sheepfold.protocol.messages import Heartbeat, Job


@dataclass(slots=True)
class Lease:
    """A job that the farm gave us, from its request to its picture. `notes` is the log of its life so far."""

    job: Job
    stop: StopFlag = field(default_factory=StopFlag)
    progress: Progress | None = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a line to the log that travels with an error report."""
        self.notes.append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}")

    def beat(self, paused: bool) -> Heartbeat:
        """The sign of life of this frame."""
        progress = self.progress
        return Heartbeat(
            job=self.job.id,
            frame=self.job.frame,
            extras=self.job.extras or None,
            rendertime=round(progress.elapsed) if progress else 0,
            remainingtime=round(progress.remaining) if progress and progress.remaining else 0,
            paused=paused or None,
        )


class OpenLeases:
    """The set of open leases of one device. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: list[Lease] = []

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases.append(lease)

    def remove(self, lease: Lease) -> None:
        with self._lock:
            self._leases = [other for other in self._leases if other is not lease]

    def all(self) -> list[Lease]:
        with self._lock:
            return list(self._leases)

    def tokens(self) -> tuple[str, ...]:
        """What tells the farm which of its leases are alive."""
        return tuple(lease.job.extras for lease in self.all() if lease.job.extras)
