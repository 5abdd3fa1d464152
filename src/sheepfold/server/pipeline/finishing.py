"""The last tile of a project is done: finish it and have its video made."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from sheepfold.server.core.events import publish
from sheepfold.server.frames.queries import projects_without_open_tiles
from sheepfold.server.pipeline.enqueue import Job, enqueue_on_commit
from sheepfold.server.projects.actions import OPEN_STATUSES, mark_finished
from sheepfold.server.projects.models import Project


def finish_done_projects(*, project_ids: Collection[int], now: datetime) -> list[int]:
    """Finish those of the projects of which no tile needs a machine any more. Returns those that this call finished."""
    done = projects_without_open_tiles(project_ids)
    finished = [project_id for project_id in done if mark_finished(project_id=project_id, now=now)]
    for project_id in finished:
        publish(topic=f"project:{project_id}", kind="finished")
        publish(topic="farm", kind="project", reference=str(project_id))
        enqueue_on_commit(Job.ENCODE_VIDEO, project_id)
    return finished


@transaction.atomic
def finish_overlooked(*, now: datetime) -> list[int]:
    """Finish projects whose last tiles were accepted at the same moment: neither transaction saw the other's tile done.
    Returns them."""
    open_ones = Project.objects.filter(status__in=OPEN_STATUSES, deleted_at=None)
    return finish_done_projects(project_ids=list(open_ones.values_list("id", flat=True)), now=now)
