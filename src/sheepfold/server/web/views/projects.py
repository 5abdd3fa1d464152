"""Lists of projects and the page of one."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from sheepfold.server.accounts.queries import groups_of
from sheepfold.server.frames.queries import tile_counts
from sheepfold.server.outputs.queries import video_of
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.projects.permissions import visible_projects
from sheepfold.server.results.queries import seconds_left
from sheepfold.server.web.access import PersonRequest, shows, signed_in
from sheepfold.server.web.before_start import show_before_start
from sheepfold.server.web.project_access import Visit, project_page
from sheepfold.server.web.project_lists import cards_of
from sheepfold.server.web.project_machines import machines_on
from sheepfold.server.web.retention import gone_on

PER_PAGE = 48
VIEWS = (("mine", "Mine"), ("groups", "My groups'"), ("shared", "Shared with me"), ("bin", "Bin"))
BEFORE_START = (
    ProjectStatus.UPLOADING,
    ProjectStatus.ANALYSING,
    ProjectStatus.REJECTED,
    ProjectStatus.READY,
)


@shows
@signed_in
def listing(request: PersonRequest) -> HttpResponse:
    """Projects as cards, by whose they are, searched by name."""
    show = request.GET.get("show", "mine")
    query = request.GET.get("q", "").strip()
    found = _projects(request, show).filter(name__icontains=query).order_by("-created_at")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {"show": show, "query": query, "page": page, "views": _views(request)}
    if show == "bin":
        context["bin"] = [(project, gone_on(project)) for project in page]
    else:
        context["projects"] = cards_of(list(page))
    return render(request, "web/projects/list.html", context)


def _projects(request: PersonRequest, show: str) -> QuerySet[Project]:
    user = request.user
    if show == "bin":
        return Project.objects.filter(owner=user).exclude(deleted_at=None)
    if show == "all" and user.is_staff:
        return Project.objects.filter(deleted_at=None).select_related("owner")
    visible = visible_projects(user).select_related("owner")
    if show == "groups":
        return visible.filter(group__in=groups_of(user.pk)).exclude(owner=user)
    if show == "shared":
        return visible.exclude(owner=user).exclude(group__in=groups_of(user.pk))
    return visible.filter(owner=user)


def _views(request: PersonRequest) -> tuple[tuple[str, str], ...]:
    return (*VIEWS, ("all", "Everybody's")) if request.user.is_staff else VIEWS


@project_page
def page(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """One project: before its start what was found in the scene, later its frames."""
    if visit.project.status in BEFORE_START and not visit.by_link:
        return show_before_start(request, visit)
    counts = tile_counts(visit.project.pk)
    context = {
        "visit": visit,
        "project": visit.project,
        "counts": counts,
        "seconds_left": seconds_left(visit.project.pk, counts),
        "video": video_of(visit.project.pk),
        "machines": machines_on(visit.project.pk),
    }
    return render(request, "web/projects/page.html", context)


@project_page
def machines(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The machines that work on it now, alone, for the live updates of the page."""
    return render(request, "web/projects/_machines.html", {"visit": visit, "machines": machines_on(visit.project.pk)})
