"""Encrypts the scenes of projects that only some machines may render (ADR 7)."""

import secrets

from sheepfold.server.core.storage import BlobRef, store, temporary_path
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects.archives import inspect
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.packing import MEDIA_TYPE, pack_scene
from sheepfold.server.projects.queries import waiting_for_sealing

PASSWORD_BYTES = 24


def seal(project_id: int) -> None:
    """Pack the scene anew under a password of its own. Machines get tiles of the project from then on."""
    if project_id not in waiting_for_sealing():
        return
    project = Project.objects.get(pk=project_id)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    projects.record_sealing(project_id=project_id, archive=_pack(project, password), archive_password=password)


def _pack(project: Project, password: str) -> BlobRef:
    if project.upload_id is None:
        raise ValueError(f"project {project.pk} has no upload")
    with store().local(project.upload_id) as upload, temporary_path(".zip") as target:
        pack_scene(upload, inspect(upload, project.upload_name), target, password)
        return store().keep(target, MEDIA_TYPE)
