"""What is known about projects."""

from datetime import datetime, timedelta

from sheepfold.server.projects.models import Project, ProjectStatus

BIN_DAYS = 30  # a project can be taken out of the bin for so long
RECENT = timedelta(days=1)


def waiting_for_analysis() -> list[int]:
    """Projects whose upload is to be looked at; not those that wait for their owner's choice of a scene."""
    rows = Project.objects.filter(status=ProjectStatus.ANALYSING, problems=[], deleted_at=None)
    return list(rows.values_list("id", flat=True))


def finished_of_late(*, now: datetime) -> list[int]:
    """Projects whose last tile was done within a day."""
    rows = Project.objects.filter(status=ProjectStatus.FINISHED, finished_at__gt=now - RECENT, deleted_at=None)
    return list(rows.values_list("id", flat=True))


def binned_before(*, now: datetime) -> list[int]:
    """Projects that lie in the bin longer than BIN_DAYS."""
    rows = Project.objects.filter(deleted_at__lt=now - timedelta(days=BIN_DAYS))
    return list(rows.values_list("id", flat=True))
