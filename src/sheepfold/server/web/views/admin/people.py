"""Users, invitations to the farm, groups and their limits."""

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts import actions
from sheepfold.server.accounts.models import Group, GroupRole, Invitation, User
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import NotFound
from sheepfold.server.results.actions import grant_points
from sheepfold.server.results.queries import balance
from sheepfold.server.web.access import PersonRequest, admins_only, changes, shows
from sheepfold.server.web.views.groups import invitation_link

PER_PAGE = 100
MILLI = 1000


class RightsForm(forms.Form):
    """What an admin allows a person."""

    active = forms.BooleanField(required=False, label="May sign in")
    admin = forms.BooleanField(required=False, label="Runs the farm", help_text="Sees and changes everything.")
    may_render = forms.BooleanField(required=False, label="Machines get work", help_text="Off: machines are told 201.")
    max_priority = forms.IntegerField(min_value=0, max_value=100, label="Highest priority of projects")
    max_open_projects = forms.IntegerField(min_value=0, label="Projects open at a time", help_text="0: no limit.")


class LimitsForm(forms.Form):
    """What the farm allows a group."""

    max_priority = forms.IntegerField(min_value=0, max_value=100, label="Highest priority of projects")
    max_machines = forms.IntegerField(min_value=0, label="Machines at a time", help_text="0: no limit.")


@shows
@admins_only
def users(request: PersonRequest) -> HttpResponse:
    """Everybody, searched by name, and the open invitations."""
    return _users_page(request)


def _users_page(request: PersonRequest, link: str = "") -> HttpResponse:
    query = request.GET.get("q", "").strip()
    found = (
        User.objects.filter(username__icontains=query).annotate(project_count=Count("projects")).order_by("username")
    )
    context = {
        "query": query,
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "signup": config().signup,
        "link": link,
        "invitations": Invitation.objects.filter(group=None, used_at=None, expires_at__gt=now()).order_by(
            "-created_at"
        ),
    }
    response = render(request, "web/admin/users.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@changes
@admins_only
def invite(request: PersonRequest) -> HttpResponse:
    """An invitation to the farm; this answer is the only place where its link is shown."""
    note = request.POST.get("note", "")
    _, secret = actions.invite(group=None, role=GroupRole.MEMBER, note=note, inviter=request.user, now=now())
    record_audit(actor_id=request.user.pk, action="invite to the farm", subject=note)
    return _users_page(request, invitation_link(request, secret))


@changes
@admins_only
def withdraw(request: PersonRequest, invitation_id: int) -> HttpResponse:
    """The invitation counts no more."""
    invitation = Invitation.objects.filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound("there is no such invitation")
    actions.withdraw_invitation(invitation=invitation)
    return HttpResponseRedirect("/admin/")


@shows
@admins_only
def user(request: PersonRequest, user_id: int) -> HttpResponse:
    """One person: rights, points."""
    person = _person(user_id)
    form = RightsForm(
        initial={
            "active": person.is_active,
            "admin": person.is_staff,
            "may_render": person.may_render,
            "max_priority": person.max_priority,
            "max_open_projects": person.max_open_projects,
        }
    )
    return render(request, "web/admin/user.html", {"person": person, "form": form, "balance": balance(person.pk)})


@changes
@admins_only
def set_rights(request: PersonRequest, user_id: int) -> HttpResponse:
    """Keep what the form says."""
    person, form = _person(user_id), RightsForm(request.POST)
    if not form.is_valid():
        return render(request, "web/admin/user.html", {"person": person, "form": form}, status=422)
    actions.set_user_rights(user=person, **form.cleaned_data)
    record_audit(actor_id=request.user.pk, action="set rights", subject=person.username, detail=str(form.cleaned_data))
    messages.success(request, "Kept.")
    return HttpResponseRedirect(f"/admin/users/{person.pk}/")


@changes
@admins_only
def give_points(request: PersonRequest, user_id: int) -> HttpResponse:
    """Give points, or take them with a minus."""
    person = _person(user_id)
    form = forms.IntegerField(min_value=-1_000_000, max_value=1_000_000)
    points = form.clean(request.POST.get("points", ""))
    grant_points(user_id=person.pk, millipoints=points * MILLI, now=now())
    record_audit(actor_id=request.user.pk, action="give points", subject=person.username, detail=str(points))
    return HttpResponseRedirect(f"/admin/users/{person.pk}/")


@shows
@admins_only
def groups(request: PersonRequest) -> HttpResponse:
    """All groups."""
    found = Group.objects.annotate(members=Count("memberships", distinct=True)).order_by("name")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "web/admin/groups.html", {"page": page})


@changes
@admins_only
def set_limits(request: PersonRequest, group_id: int) -> HttpResponse:
    """What the farm allows a group."""
    group = Group.objects.filter(pk=group_id).first()
    if group is None:
        raise NotFound("there is no such group")
    form = LimitsForm(request.POST)
    if form.is_valid():
        actions.set_group_limits(group=group, **form.cleaned_data)
        record_audit(actor_id=request.user.pk, action="set limits", subject=group.name, detail=str(form.cleaned_data))
        messages.success(request, f"The limits of {group.name} are kept.")
    else:
        messages.error(request, "Write numbers: a priority from 0 to 100, and machines from 0.")
    return HttpResponseRedirect("/admin/groups/")


def _person(user_id: int) -> User:
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        raise NotFound("there is no such person")
    return person
