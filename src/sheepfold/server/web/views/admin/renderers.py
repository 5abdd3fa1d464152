"""Renderers: which Blender versions there are, which platforms lack one, and adding an archive."""

import shutil
from collections.abc import Callable
from pathlib import Path, PurePath

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.errors import FarmError
from sheepfold.server.core.storage import temporary_path
from sheepfold.server.machines.models import Machine
from sheepfold.server.pipeline.preparing import give_missing_renderers
from sheepfold.server.renderers.actions import add_renderer, remove_archive, set_default_renderer
from sheepfold.server.renderers.models import RendererArchive
from sheepfold.server.renderers.platforms import Platform
from sheepfold.server.renderers.queries import renderers
from sheepfold.server.web.access import PersonRequest, admins_only, changes, shows

SUFFIXES = (".tar.xz", ".tar.gz", ".zip")


@shows
@admins_only
def listing(request: PersonRequest) -> HttpResponse:
    """All renderers, and what the farm's machines lack."""
    return _page(request)


def _page(request: PersonRequest, problem: str = "", status: int = 200) -> HttpResponse:
    platforms = [Platform(os, bits) for os, bits in Machine.objects.values_list("os", "bits").distinct()]
    ids = {(row.renderer_id, row.os, row.bits): row.pk for row in RendererArchive.objects.all()}
    context = {
        "rows": [
            (
                fact,
                [(archive, ids[fact.id, archive.platform.os, archive.platform.bits]) for archive in fact.archives],
                fact.missing(platforms),
            )
            for fact in renderers()
        ],
        "problem": problem,
        "installed": shutil.which("blender"),
    }
    return render(request, "web/admin/renderers.html", context, status=status)


@require_POST
@admins_only
def upload(request: PersonRequest) -> HttpResponse:
    """An official build of Blender, for any system. Packing takes up to minutes: no transaction is open meanwhile."""
    file = request.FILES.get("archive")
    suffix = next((suffix for suffix in SUFFIXES if file and str(file.name).endswith(suffix)), None)
    if file is None or suffix is None:
        return _page(request, "Choose an archive of Blender: .tar.xz for Linux, .zip for Windows.", 422)
    with temporary_path() as place:
        named = place.with_name(place.name + PurePath(str(file.name)).name)  # its name tells version and system
        with named.open("wb") as target:
            shutil.copyfileobj(file, target)
        try:
            return _add(request, lambda: add_renderer(path=named))
        finally:
            named.unlink(missing_ok=True)


@require_POST
@admins_only
def take_installed(request: PersonRequest) -> HttpResponse:
    """The Blender of this server, of use to clients on this machine only."""
    path = shutil.which("blender")
    if path is None:
        return _page(request, "No Blender is installed on this server.", 422)
    return _add(request, lambda: add_renderer(path=Path(path)))


def _add(request: PersonRequest, add: Callable[[], RendererArchive]) -> HttpResponse:
    try:
        archive = add()
    except FarmError as error:
        return _page(request, error.message, error.status)
    give_missing_renderers()
    name = f"Blender {archive.renderer.version} for {archive.os} {archive.bits} bit"
    record_audit(actor_id=request.user.pk, action="add renderer", subject=name)
    messages.success(request, f"{name} is there.")
    return HttpResponseRedirect("/admin/renderers/")


@changes
@admins_only
def make_default(request: PersonRequest, renderer_id: int) -> HttpResponse:
    """Scenes of versions that the farm lacks are rendered with this one."""
    set_default_renderer(renderer_id=renderer_id)
    record_audit(actor_id=request.user.pk, action="set default renderer", subject=str(renderer_id))
    return HttpResponseRedirect("/admin/renderers/")


@changes
@admins_only
def remove(request: PersonRequest, archive_id: int) -> HttpResponse:
    """Machines of this platform get no more of this version."""
    remove_archive(archive_id=archive_id)
    record_audit(actor_id=request.user.pk, action="remove renderer archive", subject=str(archive_id))
    return HttpResponseRedirect("/admin/renderers/")
