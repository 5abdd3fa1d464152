"""How many machines may work for a group at once. Only groups with a limit have a room."""

from dataclasses import dataclass, field

from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.projects.models import Project, ProjectStatus


@dataclass(slots=True)
class Room:
    """The machines that work for a group now, and how many may."""

    limit: int
    machines: set[int] = field(default_factory=set)


def rooms_of_groups() -> dict[int, Room]:
    """The rooms by group. One query where no group has a limit, two where some have."""
    limited = Project.objects.filter(status=ProjectStatus.RENDERING, group__max_machines__gt=0)
    projects = {row[0]: row[1:] for row in limited.values_list("id", "group_id", "group__max_machines")}
    rooms = {group_id: Room(limit) for group_id, limit in projects.values()}
    if rooms:
        leases = Lease.objects.filter(project_id__in=projects, end=LeaseEnd.OPEN)
        for project_id, machine_id in leases.values_list("project_id", "machine_id"):
            rooms[projects[project_id][0]].machines.add(machine_id)
    return rooms
