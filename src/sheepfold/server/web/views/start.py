"""The start page, help, and the switch between dark and light."""

import json

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.projects.permissions import visible_projects
from sheepfold.server.web.access import PersonRequest, changes, shows, signed_in
from sheepfold.server.web.context import THEME_COOKIE, THEMES
from sheepfold.server.web.overview import overview
from sheepfold.server.web.project_lists import cards_of

RECENT = 6
A_YEAR = 365 * 24 * 3600


@shows
def start(request: HttpRequest) -> HttpResponse:
    """What the farm does now; for a visitor an invitation to sign in."""
    if not request.user.is_authenticated:
        return render(request, "web/welcome.html", {"no_people": not User.objects.exists()})
    return render(request, "web/start.html", _start_context(request))  # type: ignore[arg-type]


@shows
@signed_in
def figures(request: PersonRequest) -> HttpResponse:
    """The figures of the start page alone, for its live updates."""
    return render(request, "web/_farm.html", {"farm": overview(now())})


def _start_context(request: PersonRequest) -> dict[str, object]:
    farm = overview(now())
    recent = visible_projects(request.user).order_by("-created_at")[:RECENT]
    plot = json.dumps({"x": [hour for hour, _ in farm.hours], "y": [count for _, count in farm.hours]})
    return {"farm": farm, "projects": cards_of(list(recent)), "plot": plot}


@changes
def theme(request: HttpRequest) -> HttpResponse:
    """Dark, light, or as the system says: kept in a cookie, so that the first paint is right."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    response = HttpResponseRedirect(target)
    wanted = request.POST.get("theme", "")
    if wanted in THEMES:
        response.set_cookie(THEME_COOKIE, wanted, max_age=A_YEAR, samesite="Lax")
    else:
        response.delete_cookie(THEME_COOKIE)
    return response


@shows
def help_page(request: HttpRequest) -> HttpResponse:
    """How the farm is used, on one page."""
    return render(request, "web/help.html")
