"""The end of an upload: its bytes become the scene of its project, or it is given up."""

import contextlib

from django.db import transaction

from sheepfold.server.core.errors import Conflict
from sheepfold.server.pipeline import steps
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects import intake


def complete_upload(*, upload: intake.Upload) -> None:
    """All bytes have come. Safe to repeat: after a crash in between, whoever asks for the upload next ends it."""
    ref = intake.keep_upload(upload=upload)
    with contextlib.suppress(Conflict), transaction.atomic():  # Conflict: only the upload was not closed last time
        projects.finish_upload(project_id=upload.project_id, ref=ref, upload_name=upload.name)
        steps.upload_finished(project_id=upload.project_id)
    intake.close_upload(upload=upload)


def give_up_upload(*, upload: intake.Upload) -> None:
    """Its owner stopped it: the project goes with it, unless it has become more than an upload."""
    projects.forget_upload(project_id=upload.project_id)
    intake.end_upload(upload=upload)
