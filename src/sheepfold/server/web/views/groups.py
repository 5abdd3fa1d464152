"""Groups: members, invitations, rights, limits."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts import actions
from sheepfold.server.accounts.models import Group, GroupRole, Invitation, Membership, User
from sheepfold.server.accounts.queries import administers_group, good_invitation
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import Forbidden, NotFound
from sheepfold.server.projects.models import Project
from sheepfold.server.web.access import PersonRequest, changes, shows, signed_in
from sheepfold.server.web.account_adapter import INVITATION_KEY

SHOWN_PROJECTS = 50


@shows
@signed_in
def listing(request: PersonRequest) -> HttpResponse:
    """The user's groups."""
    memberships = Membership.objects.filter(user=request.user).select_related("group").order_by("group__name")
    return render(request, "web/groups/list.html", {"memberships": memberships})


@changes
@signed_in
def create(request: PersonRequest) -> HttpResponse:
    """Whoever makes a group is its first admin."""
    group = actions.create_group(name=request.POST.get("name", ""), founder=request.user)
    record_audit(actor_id=request.user.pk, action="create group", subject=group.name)
    return HttpResponseRedirect(f"/groups/{group.pk}/")


@shows
@signed_in
def detail(request: PersonRequest, group_id: int) -> HttpResponse:
    """Members, projects; for its admins also invitations."""
    return _page(request, _group(request.user, group_id))


def _page(request: PersonRequest, group: Group, link: str = "") -> HttpResponse:
    steers = _steers(request.user, group)
    invitations = group.invitations.filter(used_at=None, expires_at__gt=now()) if steers else Invitation.objects.none()
    context = {
        "group": group,
        "steers": steers,
        "link": link,
        "memberships": group.memberships.select_related("user").order_by("user__username"),
        "invitations": invitations.order_by("-created_at"),
        "projects": Project.objects.filter(group=group, deleted_at=None).order_by("-created_at")[:SHOWN_PROJECTS],
    }
    response = render(request, "web/groups/detail.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@changes
@signed_in
def invite(request: PersonRequest, group_id: int) -> HttpResponse:
    """A link for one person; this answer is the only place where it is shown."""
    group = _steered(request.user, group_id)
    role = GroupRole.ADMIN if request.POST.get("role") == GroupRole.ADMIN else GroupRole.MEMBER
    note = request.POST.get("note", "")
    _, secret = actions.invite(group=group, role=role, note=note, inviter=request.user, now=now())
    record_audit(actor_id=request.user.pk, action="invite to group", subject=group.name, detail=note)
    return _page(request, group, invitation_link(request, secret))


@changes
@signed_in
def withdraw(request: PersonRequest, group_id: int, invitation_id: int) -> HttpResponse:
    """The invitation counts no more."""
    group = _steered(request.user, group_id)
    invitation = group.invitations.filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound("there is no such invitation")
    actions.withdraw_invitation(invitation=invitation)
    return HttpResponseRedirect(f"/groups/{group.pk}/")


@changes
@signed_in
def set_role(request: PersonRequest, group_id: int, user_id: int) -> HttpResponse:
    """Make a member an admin of the group, or the other way round."""
    group = _steered(request.user, group_id)
    member = _member(group, user_id)
    role = GroupRole.ADMIN if request.POST.get("role") == GroupRole.ADMIN else GroupRole.MEMBER
    actions.set_role(group=group, user=member, role=role)
    record_audit(actor_id=request.user.pk, action="set role in group", subject=group.name, detail=f"{member}: {role}")
    return HttpResponseRedirect(f"/groups/{group.pk}/")


@changes
@signed_in
def remove(request: PersonRequest, group_id: int, user_id: int) -> HttpResponse:
    """Leave, or send somebody away."""
    leaving = user_id == request.user.pk
    group = _group(request.user, group_id) if leaving else _steered(request.user, group_id)
    member = _member(group, user_id)
    actions.remove_member(group=group, user=member)
    record_audit(actor_id=request.user.pk, action="remove from group", subject=group.name, detail=str(member))
    return HttpResponseRedirect("/groups/" if leaving else f"/groups/{group.pk}/")


@changes
@signed_in
def rename(request: PersonRequest, group_id: int) -> HttpResponse:
    """Another name."""
    group = _steered(request.user, group_id)
    actions.rename_group(group=group, name=request.POST.get("name", ""))
    record_audit(actor_id=request.user.pk, action="rename group", subject=group.name)
    return HttpResponseRedirect(f"/groups/{group.pk}/")


@changes
@signed_in
def delete(request: PersonRequest, group_id: int) -> HttpResponse:
    """Its projects stay with their owners."""
    group = _steered(request.user, group_id)
    record_audit(actor_id=request.user.pk, action="delete group", subject=group.name)
    actions.delete_group(group=group)
    messages.success(request, f"The group {group.name} is gone.")
    return HttpResponseRedirect("/groups/")


def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """The page of an invitation: a visitor signs up or in first, then joins."""
    found = good_invitation(secret, now=now())
    if found is None:
        raise NotFound("this invitation was used, withdrawn or is too old")
    if request.method == "POST" and request.user.is_authenticated:
        return _join(request.user, secret)
    if not request.user.is_authenticated:
        request.session[INVITATION_KEY] = secret
    return render(request, "web/groups/invitation.html", {"invitation": found, "secret": secret})


@transaction.atomic
def _join(user: User, secret: str) -> HttpResponse:
    accepted = actions.accept_invitation(secret=secret, user=user, now=now())
    record_audit(actor_id=user.pk, action="accept invitation", subject=str(accepted.pk))
    return HttpResponseRedirect(f"/groups/{accepted.group_id}/" if accepted.group_id else "/")


def invitation_link(request: HttpRequest, secret: str) -> str:
    """What is sent to the invited person."""
    base = config().public_url.rstrip("/") or request.build_absolute_uri("/").rstrip("/")
    return f"{base}/invitations/{secret}/"


def _group(user: User, group_id: int) -> Group:
    """The group, for its members and admins of the farm."""
    groups = Group.objects.all() if user.is_staff else Group.objects.filter(memberships__user=user)
    group = groups.filter(pk=group_id).first()
    if group is None:
        raise NotFound("there is no such group")
    return group


def _steered(user: User, group_id: int) -> Group:
    group = _group(user, group_id)
    if not _steers(user, group):
        raise Forbidden("only admins of the group may do this; ask one of them")
    return group


def _steers(user: User, group: Group) -> bool:
    return user.is_staff or administers_group(user, group.pk)


def _member(group: Group, user_id: int) -> User:
    membership = group.memberships.select_related("user").filter(user=user_id).first()
    if membership is None:
        raise NotFound("there is no such member")
    return membership.user
