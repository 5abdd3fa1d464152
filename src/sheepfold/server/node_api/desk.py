"""What the node API of one process shares: the database thread, the work desk, the processes that decode images."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from sheepfold.server.core.group_commit import GroupCommit
from sheepfold.server.pipeline.work import WorkDesk

DECODERS = 2  # processes; decoding a frame takes 12 ms, forty times a claim


@dataclass(slots=True)
class Desk:
    """Made when the process starts to serve, closed when it stops."""

    commits: GroupCommit = field(default_factory=GroupCommit)
    work: WorkDesk = field(default_factory=WorkDesk)
    decoders: ProcessPoolExecutor = field(
        default_factory=lambda: ProcessPoolExecutor(DECODERS, multiprocessing.get_context("forkserver"))
    )

    def open(self) -> None:
        """Start the database thread."""
        self.commits.start()

    def close(self) -> None:
        """Answer what was handed in, then stop."""
        self.commits.stop()
        self.decoders.shutdown()
