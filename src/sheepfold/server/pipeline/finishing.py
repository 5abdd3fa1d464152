"""The last tile of a project is done: finish it and have its video made."""

from datetime import datetime

from sheepfold.server.core.events import publish
from sheepfold.server.frames.queries import has_open
from sheepfold.server.pipeline.enqueue import Job, enqueue_on_commit
from sheepfold.server.projects.actions import mark_finished


def finish_if_done(*, project_id: int, now: datetime) -> bool:
    """Finish the project if no tile of it needs a machine any more. True if this call finished it."""
    if has_open(project_id) or not mark_finished(project_id=project_id, now=now):
        return False
    publish(topic=f"project:{project_id}", kind="finished")
    publish(topic="farm", kind="project", reference=str(project_id))
    enqueue_on_commit(Job.ENCODE_VIDEO, project_id)
    return True
