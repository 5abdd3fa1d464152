"""Machines: mine and, for admins, all; what each is doing; lending one."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts.actions import create_render_key, revoke_render_key
from sheepfold.server.accounts.models import RenderKey, User
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import NotFound
from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.queries import held_by
from sheepfold.server.machines import actions
from sheepfold.server.machines.models import Machine, Session, StopWish
from sheepfold.server.machines.queries import blocked_projects
from sheepfold.server.pipeline import steering
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.permissions import visible_projects
from sheepfold.server.results.models import ErrorLog
from sheepfold.server.results.queries import standing
from sheepfold.server.web.access import PersonRequest, changes, shows, signed_in
from sheepfold.server.web.machine_lists import client_of, machine_lines, no_work_reasons

PER_PAGE = 100
SHOWN_REPORTS = 10


@shows
@signed_in
def listing(request: PersonRequest) -> HttpResponse:
    """The user's machines; an admin may look at all."""
    everybody = request.user.is_staff and request.GET.get("show") == "all"
    found = Machine.objects.select_related("user").order_by("-seen_at", "-id")
    found = found if everybody else found.filter(user=request.user)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {"lines": machine_lines(list(page), now()), "page": page, "everybody": everybody}
    return render(request, "web/machines/list.html", context)


@shows
@signed_in
def detail(request: PersonRequest, machine_id: int) -> HttpResponse:
    """One machine, and why it gets no work if it gets none."""
    machine = _machine(request, machine_id)
    whole, answers = no_work_reasons(machine, seen_by=request.user, now=now())
    keys = RenderKey.objects.filter(pk__in=Session.objects.filter(machine=machine).values("key_id"), revoked_at=None)
    context = {
        "line": machine_lines([machine], now())[0],
        "whole": whole,
        "answers": answers,
        "keys": keys,
        "client": client_of(machine),
        "blocked": blocked_projects(machine.pk),
        "standing": standing(machine.pk),
        "reports": ErrorLog.objects.filter(machine_id=machine.pk).order_by("-created_at")[:SHOWN_REPORTS],
    }
    return render(request, "web/machines/detail.html", context)


@changes
@signed_in
def change(request: PersonRequest, machine_id: int, action: str) -> HttpResponse:
    """What its owner may do with it, and what only admins may."""
    machine = _machine(request, machine_id)
    if action in ADMINS_ONLY and not request.user.is_staff:
        raise NotFound("there is no such machine")
    if action not in CHANGES:
        raise NotFound("there is no such page")
    CHANGES[action](request, machine)
    record_audit(actor_id=request.user.pk, action=f"{action} machine", subject=machine.name)
    publish(topic="machines", kind=action, reference=str(machine.pk))
    return HttpResponseRedirect(f"/machines/{machine.pk}/")


def _stop(request: PersonRequest, machine: Machine, wish: StopWish) -> None:
    if not actions.stop_machine(machine_id=machine.pk, wish=wish):
        messages.error(request, "It cannot be stopped from here: no client of Sheepfold is connected on it.")


def _go_on(request: PersonRequest, machine: Machine) -> None:
    if not actions.withdraw_stop(machine_id=machine.pk):
        messages.error(request, "It had stopped before that. Start the client on it.")


def _disable(request: PersonRequest, machine: Machine) -> None:
    actions.disable_machine(machine_id=machine.pk, reason=request.POST.get("reason", "") or "by an admin")


def _block(request: PersonRequest, machine: Machine) -> None:
    project = _project_for(request, machine)
    steering.block_project(machine_id=machine.pk, project_id=project.pk, now=now())
    messages.success(request, f"{machine.name} never gets {project.name} again.")


def _allow(request: PersonRequest, machine: Machine) -> None:
    project = _project_for(request, machine)
    actions.allow_project(machine_id=machine.pk, project_id=project.pk)
    messages.success(request, f"{machine.name} may render {project.name} again.")


def _knows(user: User, machine: Machine, project: Project) -> bool:
    visible = user.is_staff or visible_projects(user).filter(pk=project.pk).exists()
    return visible or held_by(machine.pk, project.pk)


ADMINS_ONLY = frozenset({"disable", "enable"})
CHANGES: dict[str, Callable[[PersonRequest, Machine], None]] = {
    "pause": lambda _, machine: actions.pause_machine(machine_id=machine.pk),
    "resume": lambda _, machine: actions.resume_machine(machine_id=machine.pk),
    "stop": partial(_stop, wish=StopWish.AFTER_FRAME),
    "stop-now": partial(_stop, wish=StopWish.NOW),
    "go-on": _go_on,
    "block": _block,
    "allow": _allow,
    "disable": _disable,
    "enable": lambda _, machine: actions.enable_machine(machine_id=machine.pk),
}


def _project_for(request: PersonRequest, machine: Machine) -> Project:
    """The project that the form names, if the machine has had work of it or the user may see it."""
    text = request.POST.get("project", "")
    found = Project.objects.filter(pk=int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None
    project = found.first() if found is not None else None
    if project is None or not _knows(request.user, machine, project):
        raise NotFound("there is no such project")
    return project


@changes
@signed_in
def revoke_key(request: PersonRequest, key_id: int) -> HttpResponse:
    """The machines that use this key cannot log in again."""
    key = RenderKey.objects.filter(pk=key_id).first()
    if key is None or (key.user_id != request.user.pk and not request.user.is_staff):
        raise NotFound("there is no such key")
    revoke_render_key(key=key, now=now())
    record_audit(actor_id=request.user.pk, action="revoke render key", subject=key.name)
    messages.success(request, f"The key {key.name} no longer works.")
    return HttpResponseRedirect("/account/keys/")


@shows
@signed_in
def lend(request: PersonRequest) -> HttpResponse:
    """Ask for a name, then make a key and show the command."""
    return render(request, "web/machines/lend.html", {"name": "", "secret": ""})


@changes
@signed_in
def make_key(request: PersonRequest) -> HttpResponse:
    """A key for one machine. The page with its secret is the only place where it is ever shown."""
    key, secret = create_render_key(user=request.user, name=request.POST.get("name", ""))
    record_audit(actor_id=request.user.pk, action="create render key", subject=key.name)
    url = config().public_url.rstrip("/") or request.build_absolute_uri("/").rstrip("/")
    context = {"name": key.name, "secret": secret, "url": url}
    response = render(request, "web/machines/lend.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _machine(request: PersonRequest, machine_id: int) -> Machine:
    """The machine, if it is the user's or the user is an admin."""
    found = Machine.objects.select_related("user").filter(pk=machine_id)
    machine = (found if request.user.is_staff else found.filter(user=request.user)).first()
    if machine is None:
        raise NotFound("there is no such machine")
    return machine
