"""Numbers of the whole farm. Counting millions of tiles takes a while, so a timer does it and all read the row."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sheepfold.server.core.models import Switch
from sheepfold.server.dispatch.queries import count_open
from sheepfold.server.frames.queries import tile_counts_of
from sheepfold.server.machines.queries import connected_machines, count_live_sessions
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.queries import accepted_since

ROW = "farm_numbers"


@dataclass(frozen=True, slots=True)
class FarmNumbers:
    """The farm as a whole, as the timer last saw it."""

    connected_machines: int = 0
    live_sessions: int = 0
    open_leases: int = 0
    open_projects: int = 0
    frames_left: int = 0
    frames_rendering: int = 0
    frames_last_hour: int = 0


def read_numbers() -> FarmNumbers:
    """What the timer last wrote, maybe of another version; zeros before its first time."""
    row = Switch.objects.filter(name=ROW).values_list("value", flat=True).first()
    known = {field.name for field in fields(FarmNumbers)}
    return FarmNumbers(**{name: value for name, value in json.loads(row or "{}").items() if name in known})


def write_numbers(*, now: datetime) -> FarmNumbers:
    """Count anew."""
    rendering = Project.objects.filter(status=ProjectStatus.RENDERING, deleted_at=None)
    counts = list(tile_counts_of(rendering.values_list("id", flat=True)).values())
    numbers = FarmNumbers(
        connected_machines=connected_machines(),
        live_sessions=count_live_sessions(),
        open_leases=count_open(),
        open_projects=len(counts),
        frames_left=sum(count.open for count in counts),
        frames_rendering=sum(count.rendering for count in counts),
        frames_last_hour=accepted_since(now - timedelta(hours=1)),
    )
    Switch.objects.update_or_create(name=ROW, defaults={"value": json.dumps(asdict(numbers))})
    return numbers
