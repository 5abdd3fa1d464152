"""Background jobs. Each loads its row, does the work, and hands the fact to actions and steps.

A job may run twice: the row has moved on by then. A job that was lost with a killed process is enqueued again by
`requeue_lost`, and so is one that failed for a passing reason (disk, store or database).
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import Conflict, FarmError, Unavailable
from sheepfold.server.core.events import publish
from sheepfold.server.core.exclusive import exclusively
from sheepfold.server.core.jobs import huey
from sheepfold.server.core.storage import store, temporary_path
from sheepfold.server.outputs import actions as outputs
from sheepfold.server.outputs.queries import videos_waited_for
from sheepfold.server.outputs.video import MIN_FRAMES, EncodingFailed, encode_film
from sheepfold.server.pipeline import preparing, sealing, steps, verifying
from sheepfold.server.pipeline.retention import tidy
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.queries import waiting_for_analysis, waiting_for_sealing
from sheepfold.server.results.queries import accepted_frames, verifications_to_compare

log = structlog.get_logger()

PASSING = (OSError, DatabaseError, Unavailable)
UNEXPECTED = "the farm could not look into this file, which is not your fault; its operator finds the cause in the log"


@huey.task()  # type: ignore[untyped-decorator]
def analyse(project_id: int) -> None:
    """Look into an upload: the project becomes ready, is rejected, or asks which scene is meant."""
    _once("analyse", project_id, _analyse)


@huey.task()  # type: ignore[untyped-decorator]
def seal(project_id: int) -> None:
    """Encrypt the scene of a project that not everybody's machines may render."""
    _once("seal", project_id, sealing.seal)


@huey.task()  # type: ignore[untyped-decorator]
def encode_video(project_id: int) -> None:
    """Make the film of a finished project."""
    _once("encode_video", project_id, _encode_video)


@huey.task()  # type: ignore[untyped-decorator]
def verify(verification_id: int) -> None:
    """Compare a frame with what another machine made of it."""
    with exclusively(f"verify-{verification_id}") as mine:
        if mine:
            with structlog.contextvars.bound_contextvars(job="verify", verification=verification_id):
                verifying.verify(verification_id)


@huey.task()  # type: ignore[untyped-decorator]
def tidy_up() -> None:
    """Take away what nobody needs any more; over a large store this takes minutes."""
    with exclusively("tidy_up") as mine:
        if mine:
            tidy(now=now())


def requeue_lost(*, now: datetime) -> None:
    """Enqueue what rows wait for and the queue does not have. What a worker has in hand is not done twice."""
    preparing.give_missing_renderers()
    queued = {(task.name, *task.args) for task in huey.pending()}
    wanted = [(analyse, number) for number in waiting_for_analysis()]
    wanted += [(seal, number) for number in waiting_for_sealing()]
    wanted += [(verify, number) for number in verifications_to_compare()]
    wanted += [(encode_video, number) for number in videos_waited_for()]
    for task, number in wanted:
        if (task.task_class.__name__, number) not in queued:
            task(number)


def _once(name: str, project_id: int, work: Callable[[int], None]) -> None:
    with exclusively(f"{name}-{project_id}") as mine:
        if mine:
            with structlog.contextvars.bound_contextvars(job=name, project=project_id):
                work(project_id)


def _analyse(project_id: int) -> None:
    if project_id not in waiting_for_analysis():
        return
    project = Project.objects.select_related("upload").get(pk=project_id)
    try:
        outcome = preparing.prepare(project)
    except PASSING:
        raise
    except FarmError as error:
        outcome = preparing.Refused(error.message)
    except Exception:  # the top of a job: whatever is wrong with this file must not come back every minute
        log.exception("analysis failed")
        outcome = preparing.Refused(UNEXPECTED)
    _record(project_id, outcome)


def _record(project_id: int, outcome: "preparing.Outcome") -> None:
    try:
        with transaction.atomic():
            preparing.record(project_id, outcome)
            steps.analysis_done(project_id=project_id)
    except Conflict:
        log.info("the project moved on while it was analysed")


def _encode_video(project_id: int) -> None:
    frames = accepted_frames(project_id)
    if len(frames) < MIN_FRAMES:
        return
    outputs.request_video(project_id=project_id)
    fps = Project.objects.values_list("fps", flat=True).get(pk=project_id)
    with temporary_path(".mp4") as target:
        try:
            film = encode_film([frame.blob_sha for frame in frames], fps, target, store())
        except EncodingFailed as error:
            outputs.record_video_failure(project_id=project_id, reason=error.message)
        else:
            ref = store().keep(target, "video/mp4")
            with transaction.atomic():
                outputs.record_video(project_id=project_id, ref=ref, frames=film.frames)
                publish(topic=f"project:{project_id}", kind="video")
