"""Who may look at a project: people, groups, links."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts.models import Group, User
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import BadInput, Forbidden
from sheepfold.server.projects import sharing
from sheepfold.server.projects.permissions import Action
from sheepfold.server.web.project_access import Visit, project_change, project_page


@project_page
def page(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """With whom it is shared."""
    if not visit.may["share"]:
        raise Forbidden("only its owner shares a project")
    return _page(request, visit)


def _page(request: HttpRequest, visit: Visit, link: str = "") -> HttpResponse:
    context = {
        "visit": visit,
        "project": visit.project,
        "link": link,
        "shares": visit.project.shares.select_related("user", "group"),
        "links": visit.project.share_links.order_by("-created_at"),
        "groups": Group.objects.filter(memberships__user=request.user.pk).order_by("name"),
    }
    response = render(request, "web/projects/share.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@project_change(Action.SHARE)
def with_user(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Share with a person. The answer does not tell whether the name exists."""
    name = request.POST.get("username", "").strip()
    person = User.objects.filter(username=name, is_active=True).first()
    if person is not None:
        sharing.share_with_user(project=visit.project, user=person)
        _note(request, visit, f"share with {name}")
    messages.success(request, f"If there is a person called {name}, they can see it now.")
    return HttpResponseRedirect(f"{visit.base}share/")


@project_change(Action.SHARE)
def with_group(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Share with a group of the user."""
    group = Group.objects.filter(memberships__user=request.user.pk, pk=_number(request, "group")).first()
    if group is None:
        raise BadInput("choose one of your groups")
    sharing.share_with_group(project=visit.project, group=group)
    _note(request, visit, f"share with group {group.name}")
    return HttpResponseRedirect(f"{visit.base}share/")


@project_change(Action.SHARE)
def end_share(request: HttpRequest, visit: Visit, share_id: int) -> HttpResponseBase:
    """Take it back."""
    sharing.end_share(project=visit.project, share_id=share_id)
    _note(request, visit, "end share")
    return HttpResponseRedirect(f"{visit.base}share/")


@project_change(Action.SHARE)
def make_link(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """A read-only link; this answer is the only place where it is shown."""
    _, secret = sharing.create_share_link(project=visit.project, now=now())
    _note(request, visit, "create share link")
    base = config().public_url.rstrip("/") or request.build_absolute_uri("/").rstrip("/")
    return _page(request, visit, f"{base}/s/{secret}/")


@project_change(Action.SHARE)
def end_link(request: HttpRequest, visit: Visit, link_id: int) -> HttpResponseBase:
    """The link stops working."""
    sharing.end_share_link(project=visit.project, link_id=link_id)
    _note(request, visit, "end share link")
    return HttpResponseRedirect(f"{visit.base}share/")


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _note(request: HttpRequest, visit: Visit, action: str) -> None:
    record_audit(actor_id=request.user.pk, action=action[:60], subject=f"{visit.project.name} ({visit.project.pk})")
