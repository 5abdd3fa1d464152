"""Renderers: which Blender versions there are, which platforms lack one, and adding an archive."""

from django.http import HttpResponse
from django.shortcuts import render

from sheepfold.server.machines.models import Machine
from sheepfold.server.renderers.platforms import Platform
from sheepfold.server.renderers.queries import renderers
from sheepfold.server.web.access import PersonRequest, admins_only, shows


@shows
@admins_only
def listing(request: PersonRequest) -> HttpResponse:
    """All renderers, and what the farm's machines lack."""
    return page(request)


def page(request: PersonRequest, problem: str = "", status: int = 200) -> HttpResponse:
    """`problem`: why an archive was not taken."""
    platforms = [Platform(os, bits) for os, bits in Machine.objects.values_list("os", "bits").distinct()]
    rows = [(fact, fact.missing(platforms)) for fact in renderers()]
    return render(request, "web/admin/renderers.html", {"rows": rows, "problem": problem}, status=status)
