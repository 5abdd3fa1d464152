"""How long things are kept, for pages that announce it."""

from datetime import datetime, timedelta

from sheepfold.server.projects.models import Project
from sheepfold.server.projects.queries import BIN_DAYS


def gone_on(project: Project) -> datetime | None:
    """When a project in the bin is gone for good."""
    return None if project.deleted_at is None else project.deleted_at + timedelta(days=BIN_DAYS)
