"""What the node API of one process shares: the database threads, the work desk, the processes that decode images."""

from dataclasses import dataclass, field

from sheepfold.server.core.group_commit import GroupCommit
from sheepfold.server.pipeline.heartbeats import HeartbeatDesk
from sheepfold.server.pipeline.work import WorkDesk
from sheepfold.server.results.decoders import Decoders


@dataclass(slots=True)
class Desk:
    """Made when the process starts to serve, closed when it stops."""

    commits: GroupCommit = field(default_factory=GroupCommit)
    work: WorkDesk = field(default_factory=WorkDesk)
    heartbeats: HeartbeatDesk = field(init=False)
    decoders: Decoders = field(default_factory=Decoders)

    def __post_init__(self) -> None:
        self.heartbeats = HeartbeatDesk(self.work.facts)

    def open(self) -> None:
        """Start the database threads."""
        self.commits.start()

    def close(self) -> None:
        """Answer what was handed in, then stop."""
        self.commits.stop()
        self.decoders.close()
