"""The last tile of a project is done: finish it and have its video made."""

from collections.abc import Collection
from datetime import datetime

from sheepfold.server.core.events import publish
from sheepfold.server.frames.queries import projects_without_open_tiles
from sheepfold.server.pipeline.enqueue import Job, enqueue_on_commit
from sheepfold.server.projects.actions import mark_finished


def finish_done_projects(*, project_ids: Collection[int], now: datetime) -> list[int]:
    """Finish those of the projects of which no tile needs a machine any more. Returns those that this call finished."""
    done = projects_without_open_tiles(project_ids)
    finished = [project_id for project_id in done if mark_finished(project_id=project_id, now=now)]
    for project_id in finished:
        publish(topic=f"project:{project_id}", kind="finished")
        publish(topic="farm", kind="project", reference=str(project_id))
        enqueue_on_commit(Job.ENCODE_VIDEO, project_id)
    return finished
