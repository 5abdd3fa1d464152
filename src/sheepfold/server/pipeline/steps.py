"""After X do Y, for projects: read this file to know the order of things. A step is part of its caller's transaction.

upload finished -> analyse -> (refused | ready) -> started: packed and planned -> claimed, rendered, accepted
(uploads.py, endings.py) -> last tile: finished -> video.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from sheepfold.server.core.errors import BadInput, Conflict
from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.frames import actions as frames
from sheepfold.server.frames.planning import plan
from sheepfold.server.frames.queries import has_open, tile_counts
from sheepfold.server.pipeline.endings import free_leases
from sheepfold.server.pipeline.enqueue import Job, enqueue_on_commit
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects.frame_ranges import parse_frames
from sheepfold.server.projects.gate import close_for_claims, open_for_claims
from sheepfold.server.projects.models import FrameOrder, Project
from sheepfold.server.projects.queries import is_to_be_sealed


def upload_finished(*, project_id: int) -> None:
    """All bytes are in the store: find out what they are."""
    enqueue_on_commit(Job.ANALYSE, project_id)
    _changed(project_id)


def analysis_done(*, project_id: int) -> None:
    """The facts are known, or the project is rejected with a reason. The owner decides on."""
    _changed(project_id)


def start_project(*, project_id: int, now: datetime) -> int:
    """Plan the tiles and open the project for machines. Returns how many tiles there are."""
    project = Project.objects.get(pk=project_id)
    if project.archive_id is None:
        raise Conflict("the scene is not packed yet; try again in a moment")
    projects.mark_started(project_id=project_id, now=now)
    added = _plan(project, project.frames, now)
    open_for_claims(project_ids=[project_id])
    if is_to_be_sealed(project):
        enqueue_on_commit(Job.SEAL, project_id)
    _changed(project_id)
    return added


def extend_project(*, project_id: int, frames_text: str, now: datetime) -> int:
    """Add frames to a started project; a finished one goes on. Returns how many are new."""
    project = Project.objects.get(pk=project_id)
    added = _plan(project, frames_text, now)
    if added == 0:
        raise BadInput("the project has all of these frames already")
    projects.add_frames(project_id=project_id, frames=frames_text)
    _go_on(project_id, now)
    return added


def rerender(*, project_id: int, frame_numbers: Sequence[int], now: datetime) -> int:
    """Render these frames again; until then their old images stay. Returns how many tiles wait now."""
    moved = frames.render_again(project_id=project_id, frames=frame_numbers, now=now)
    if not moved:
        raise BadInput("none of these frames is done, failed or cancelled")
    _go_on(project_id, now)
    return len(moved)


def pause_project(*, project_id: int, now: datetime) -> None:
    """Hand out nothing more; what is being rendered is finished and counts."""
    projects.mark_paused(project_id=project_id, now=now)
    close_for_claims(project_ids=[project_id])
    _changed(project_id)


def resume_project(*, project_id: int, now: datetime) -> None:
    """Hand out tiles again."""
    projects.mark_resumed(project_id=project_id, now=now)
    open_for_claims(project_ids=[project_id])
    _changed(project_id)


def cancel_project(*, project_id: int, now: datetime) -> None:
    """Stop everything, on the machines too (their next heartbeat is answered 400). Done frames stay."""
    projects.mark_cancelled(project_id=project_id, now=now)
    _stop(project_id, now)
    _changed(project_id)


def block_project(*, project_id: int, reason: str, now: datetime) -> None:
    """The farm refuses this project."""
    projects.mark_blocked(project_id=project_id, reason=reason, now=now)
    _stop(project_id, now)
    _changed(project_id)


def delete_project(*, project_id: int, now: datetime) -> None:
    """Into the bin, from where it can be taken back for a while; nothing of it is rendered any more."""
    if has_open(project_id):
        close_for_claims(project_ids=[project_id])
        free_leases(where=Q(project_id=project_id), now=now, end=LeaseEnd.CANCELLED)
        close_for_claims(project_ids=[project_id])
    projects.move_to_bin(project_id=project_id, now=now)
    _changed(project_id)


def restore_project(*, project_id: int, now: datetime) -> None:
    """Out of the bin; if it was rendering it goes on."""
    projects.restore(project_id=project_id, now=now)
    open_for_claims(project_ids=[project_id])
    _changed(project_id)


def _plan(project: Project, frames_text: str, now: datetime) -> int:
    first_rank = tile_counts(project.pk).total
    planned = plan(parse_frames(frames_text), FrameOrder(project.order), first_rank)
    return frames.add_tiles(project_id=project.pk, planned=planned, now=now)


def _go_on(project_id: int, now: datetime) -> None:
    projects.mark_rendering_again(project_id=project_id, now=now)
    open_for_claims(project_ids=[project_id])
    _changed(project_id)


def _stop(project_id: int, now: datetime) -> None:
    frames.cancel_tiles(project_id=project_id, now=now)
    free_leases(where=Q(project_id=project_id), now=now, end=LeaseEnd.CANCELLED)
    close_for_claims(project_ids=[project_id])


def _changed(project_id: int) -> None:
    publish(topic=f"project:{project_id}", kind="project")
    publish(topic="farm", kind="project", reference=str(project_id))
