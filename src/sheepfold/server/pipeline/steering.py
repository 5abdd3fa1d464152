"""The owner of a machine steers it from the site; what follows for its leases."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.machines import actions as machines
from sheepfold.server.machines.models import STOPPING, Session
from sheepfold.server.pipeline.endings import free_leases

BY_OWNER = "its owner blocked it on the site"


def block_project(*, machine_id: int, project_id: int, now: datetime) -> None:
    """The machine never gets tiles of this project again, and gives back the one that it renders now."""
    machines.block_project(machine_id=machine_id, project_id=project_id, reason=BY_OWNER)
    where = Q(machine_id=machine_id, project_id=project_id)
    free_leases(where=where, now=now, end=LeaseEnd.CANCELLED)


def note_stops(*, session_ids: Collection[int]) -> None:
    """These sessions ended. Where a client had said that it stops, it has."""
    obeyed = Session.objects.filter(pk__in=session_ids, obeys__in=STOPPING).values_list("machine_id", flat=True)
    for machine_id in set(obeyed):
        if machines.record_stopped(machine_id=machine_id):
            publish(topic="machines", kind="stopped", reference=str(machine_id))
