"""What goes by itself, and when: the bin after a month, abandoned uploads, bytes that nothing refers to."""

from datetime import datetime

from django.db import transaction

from sheepfold.server.core.garbage import forget_temporary_files, forget_unused_blobs
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects import intake
from sheepfold.server.projects.queries import binned_before


def tidy(*, now: datetime) -> None:
    """Each project goes in a transaction of its own; files go last, when no row names them."""
    for project_id in binned_before(now=now):
        with transaction.atomic():
            projects.purge(project_id=project_id)
    for upload in intake.end_expired_uploads(now=now):
        projects.forget_upload(project_id=upload.project_id)
    forget_unused_blobs(now=now)
    forget_temporary_files(now=now)
