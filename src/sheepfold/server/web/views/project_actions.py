"""What the owner of a project does with it. Each is one POST, one transaction, one step of the pipeline."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import BadInput, FarmError
from sheepfold.server.pipeline import steps
from sheepfold.server.projects.actions import change_settings, choose_blend
from sheepfold.server.projects.changes import SettingsChange
from sheepfold.server.projects.frame_ranges import parse_frames
from sheepfold.server.projects.permissions import Action
from sheepfold.server.web.before_start import show_before_start
from sheepfold.server.web.project_access import Visit, project_change
from sheepfold.server.web.project_settings import SettingsForm


@project_change(Action.STEER)
def save_settings(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Keep the settings, and start if the button says so. What is wrong stands beside its field."""
    form = SettingsForm(visit.project, request.user, request.POST)  # type: ignore[arg-type]
    if not form.is_valid():
        return show_before_start(request, visit, form, status=422)
    try:
        change_settings(project_id=visit.project.pk, change=form.change(), user=request.user)  # type: ignore[arg-type]
    except FarmError as error:
        return show_before_start(request, visit, _with_problem(form, error), status=error.status)
    if "start" in request.POST:
        steps.start_project(project_id=visit.project.pk, now=now())
        _note(request, visit, "start project")
    else:
        messages.success(request, "The settings are kept.")
    return HttpResponseRedirect(visit.base)


@project_change(Action.STEER)
def choose_scene(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The upload has several scenes: render this one."""
    choose_blend(project_id=visit.project.pk, blend_path=request.POST.get("blend", ""))
    steps.upload_finished(project_id=visit.project.pk)
    return HttpResponseRedirect(visit.base)


@project_change(Action.STEER)
def pause(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """What is being rendered is finished and counts."""
    steps.pause_project(project_id=visit.project.pk, now=now())
    return _done(request, visit, "pause project")


@project_change(Action.STEER)
def resume(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Go on."""
    steps.resume_project(project_id=visit.project.pk, now=now())
    return _done(request, visit, "resume project")


@project_change(Action.STEER)
def cancel(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Stop it; what is done stays."""
    steps.cancel_project(project_id=visit.project.pk, now=now())
    return _done(request, visit, "cancel project")


@project_change(Action.STEER)
def again(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Render chosen frames again."""
    frames = parse_frames(request.POST.get("frames", ""))
    count = steps.rerender(project_id=visit.project.pk, frame_numbers=frames, now=now())
    messages.success(request, f"{count} frames wait to be rendered again.")
    return _done(request, visit, "render frames again")


@project_change(Action.STEER)
def extend(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Add frames."""
    count = steps.extend_project(project_id=visit.project.pk, frames_text=request.POST.get("frames", ""), now=now())
    messages.success(request, f"{count} frames were added.")
    return _done(request, visit, "add frames")


@project_change(Action.STEER)
def priority(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Higher goes first."""
    value = request.POST.get("priority", "")
    if not (value.isascii() and value.isdigit()):
        raise BadInput("priority: write a number from 0 to 100")
    change = SettingsChange(priority=int(value))
    change_settings(project_id=visit.project.pk, change=change, user=request.user)  # type: ignore[arg-type]
    messages.success(request, f"The priority is {value} now.")
    return _done(request, visit, "change priority")


@project_change(Action.DELETE)
def delete(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Into the bin; the page after it offers to take it back."""
    steps.delete_project(project_id=visit.project.pk, now=now())
    _note(request, visit, "delete project")
    return render(request, "web/projects/deleted.html", {"visit": visit, "project": visit.project})


@project_change(Action.DELETE)
def restore(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Out of the bin."""
    steps.restore_project(project_id=visit.project.pk, now=now())
    messages.success(request, "It is back.")
    return _done(request, visit, "restore project")


@project_change(Action.BLOCK)
def block(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The farm refuses it."""
    reason = request.POST.get("reason", "").strip() or "An admin blocked it."
    steps.block_project(project_id=visit.project.pk, reason=reason, now=now())
    return _done(request, visit, "block project")


def _with_problem(form: SettingsForm, error: FarmError) -> SettingsForm:
    """The message beside the field that it names, e.g. `priority: 50 is the highest …`."""
    field = error.message.partition(":")[0]
    form.add_error(field if field in form.fields else None, error.message)
    return form


def _done(request: HttpRequest, visit: Visit, action: str) -> HttpResponseRedirect:
    _note(request, visit, action)
    return HttpResponseRedirect(visit.base)


def _note(request: HttpRequest, visit: Visit, action: str) -> None:
    record_audit(actor_id=request.user.pk, action=action, subject=f"{visit.project.name} ({visit.project.pk})")
