"""What follows when stored bytes turn out to be lost."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from sheepfold.server.pipeline import steps
from sheepfold.server.projects.models import Project
from sheepfold.server.results.actions import forget_lost_images


@transaction.atomic
def render_lost_again(*, hashes: Collection[str], now: datetime) -> int:
    """Frames whose images are among these wait for a machine again, where their project still exists.

    Returns how many tiles wait.
    """
    lost = forget_lost_images(hashes=hashes)
    living = Project.objects.filter(pk__in=lost, deleted_at=None).values_list("pk", flat=True)
    return sum(steps.rerender(project_id=pk, frame_numbers=lost[pk], now=now) for pk in living)
