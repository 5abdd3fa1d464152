"""The page of a project before its start: the upload, what was found in the scene, and its settings."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sheepfold.server.projects.models import ProjectStatus
from sheepfold.server.renderers.models import RendererArchive
from sheepfold.server.web.project_access import Visit
from sheepfold.server.web.project_settings import SettingsForm


def show_before_start(
    request: HttpRequest, visit: Visit, form: SettingsForm | None = None, status: int = 200
) -> HttpResponse:
    """`form`: what was sent and could not be used."""
    project = visit.project
    if form is None and project.status == ProjectStatus.READY and request.user.is_authenticated:
        form = SettingsForm(project, request.user)
    archives = RendererArchive.objects.filter(renderer=project.renderer_id) if project.renderer_id else ()
    context = {
        "visit": visit,
        "project": project,
        "form": form,
        "platforms": [(archive.os, archive.bits) for archive in archives],
        "choices": [problem for problem in project.problems if problem.get("choice")],
    }
    return render(request, "web/projects/before_start.html", context, status=status)
