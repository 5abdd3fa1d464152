"""What is known about projects."""

from datetime import datetime, timedelta
from typing import Protocol

from sheepfold.server.projects.models import Project, ProjectStatus, Visibility

BIN_DAYS = 30  # a project can be taken out of the bin for so long


def waiting_for_analysis() -> list[int]:
    """Projects whose upload is to be looked at; not those that wait for their owner's choice of a scene."""
    rows = Project.objects.filter(status=ProjectStatus.ANALYSING, problems=[], deleted_at=None)
    return list(rows.values_list("id", flat=True))


def without_renderer() -> list[Project]:
    """Projects that are ready but for a Blender."""
    return list(Project.objects.filter(status=ProjectStatus.READY, renderer=None, deleted_at=None))


def waiting_for_sealing() -> list[int]:
    """Projects that are to be encrypted."""
    rows = Project.objects.filter(
        status__in=(ProjectStatus.READY, ProjectStatus.RENDERING, ProjectStatus.PAUSED),
        deleted_at=None,
        archive_password="",
    ).exclude(visibility=Visibility.EVERYBODY)
    return [project.pk for project in rows if is_to_be_sealed(project)]


class Packed(Protocol):
    """What is asked of a project here: its row, or a part of it."""

    @property
    def archive_id(self) -> str | None: ...
    @property
    def upload_id(self) -> str | None: ...
    @property
    def archive_password(self) -> str: ...
    @property
    def visibility(self) -> str: ...


def is_to_be_sealed(project: Packed) -> bool:
    """Whether the scene lies unencrypted in its archive although not everybody's machines may render it."""
    packed = project.archive_id is not None and project.upload_id is not None
    return packed and not project.archive_password and project.visibility != Visibility.EVERYBODY


def binned_before(*, now: datetime) -> list[int]:
    """Projects that lie in the bin longer than BIN_DAYS."""
    rows = Project.objects.filter(deleted_at__lt=now - timedelta(days=BIN_DAYS))
    return list(rows.values_list("id", flat=True))
