"""Which machines render a project now and how far each is."""

from dataclasses import dataclass

from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.machines.models import Machine

MOST = 50  # on one page


@dataclass(frozen=True, slots=True)
class Working:
    """A machine at work. Times in seconds, as its last heartbeat said."""

    name: str
    owner: str
    frame: int
    rendertime: int
    remaining: int

    @property
    def percent(self) -> int | None:
        """How far it is; None if it has not said."""
        total = self.rendertime + self.remaining
        return 100 * self.rendertime // total if self.remaining else None


def machines_on(project_id: int) -> list[Working]:
    """By frame."""
    open_leases = Lease.objects.filter(project_id=project_id, end=LeaseEnd.OPEN, verification_id=None)
    leases = open_leases.order_by("frame")[:MOST]
    rows = list(leases.values_list("machine_id", "frame", "rendertime", "remainingtime"))
    found = Machine.objects.select_related("user").in_bulk({row[0] for row in rows})
    return [
        Working(found[machine].name, found[machine].user.username, frame, rendertime, remaining)
        for machine, frame, rendertime, remaining in rows
        if machine in found
    ]
