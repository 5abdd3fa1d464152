"""Every change of a project. Each is one statement that names the statuses it expects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from sheepfold.server.accounts.models import Group, Membership, User
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.errors import BadInput, Conflict, Forbidden, NotFound
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.projects.changes import SettingsChange, allowed_in, changed_values
from sheepfold.server.projects.facts import Crop, size_at
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.frame_ranges import format_frames, parse_frames
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.projects.transitions import sources

OPEN_STATUSES = (ProjectStatus.RENDERING, ProjectStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class SceneDefaults:
    """What the file itself says. `width`, `height`: pixels of the rendered image, after the percentage."""

    width: int
    height: int
    percentage: int
    fps: float
    frames: str
    output_format: OutputFormat
    use_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known of a scene that can be rendered. `facts` and `problems` are JSON."""

    facts: Mapping[str, Any]
    problems: Sequence[Mapping[str, Any]]
    blend_path: str
    defaults: SceneDefaults
    renderer_id: int | None


def create_project(*, owner: User, name: str, upload_name: str = "", group: Group | None = None) -> Project:
    """A project that waits for its upload. Raises Forbidden if the owner may not put it into the group."""
    if group is not None:
        _check_member(owner, group.pk)
    values = changed_values(SettingsChange(name=name))
    return Project.objects.create(owner=owner, group=group, upload_name=upload_name[-255:], **values)


def finish_upload(*, project_id: int, ref: BlobRef, upload_name: str) -> None:
    """All bytes have come: they are analysed next."""
    blob = record_blob(ref=ref)
    _move(project_id, ProjectStatus.ANALYSING, upload=blob, upload_name=upload_name[-255:], problems=[])


def ask_for_blend(*, project_id: int, problems: Sequence[Mapping[str, Any]]) -> None:
    """The upload has several scenes: its owner says which. Nothing goes on until `choose_blend`."""
    _update(project_id, {ProjectStatus.ANALYSING}, problems=list(problems))


def choose_blend(*, project_id: int, blend_path: str) -> None:
    """Render this file of the upload. Raises BadInput if it is none of those that were offered."""
    offered = Project.objects.filter(pk=project_id, deleted_at=None).values_list("problems", flat=True).first()
    if offered is None:
        raise _unknown()
    if blend_path not in {problem.get("choice") for problem in offered} - {None, ""}:
        raise BadInput(f"`{blend_path}` is not among the scenes of this upload; choose one of the list")
    _update(project_id, {ProjectStatus.ANALYSING}, blend_path=blend_path, problems=[])


def record_analysis(*, project_id: int, analysis: Analysis, archive: BlobRef, archive_password: str = "") -> None:
    """The scene can be rendered and is packed: its owner may start it. Settings begin as the file has them."""
    defaults = analysis.defaults
    _move(
        project_id,
        ProjectStatus.READY,
        facts=dict(analysis.facts),
        problems=list(analysis.problems),
        blend_path=analysis.blend_path,
        renderer_id=analysis.renderer_id,
        width=defaults.width,
        height=defaults.height,
        percentage=defaults.percentage,
        fps=defaults.fps,
        frames=defaults.frames,
        output_format=defaults.output_format,
        use_gpu=defaults.use_gpu,
        archive=record_blob(ref=archive),
        archive_password=archive_password,
        revision=F("revision") + 1,
    )


def record_sealing(*, project_id: int, archive: BlobRef, archive_password: str) -> None:
    """The scene lies encrypted in a new archive. One that was encrypted meanwhile stays as it is."""
    rows = Project.objects.filter(pk=project_id, archive_password="")
    rows.update(archive=record_blob(ref=archive), archive_password=archive_password, revision=F("revision") + 1)


def assign_renderer(*, project_id: int, renderer_id: int, problems: Sequence[Mapping[str, Any]]) -> None:
    """The farm has a Blender for it now. A project that got one meanwhile keeps it."""
    rows = Project.objects.filter(pk=project_id, status=ProjectStatus.READY, renderer=None)
    rows.update(renderer_id=renderer_id, problems=list(problems))


def reject_project(*, project_id: int, reason: str) -> None:
    """The upload cannot be rendered; the reason says why and what to do."""
    _move(project_id, ProjectStatus.REJECTED, reason=reason)


def change_settings(*, project_id: int, change: SettingsChange, user: User) -> None:
    """Change what is given. Raises BadInput, Forbidden, or Conflict if it is too late for one of them."""
    values = changed_values(change)
    if not values:
        return
    project = Project.objects.select_related("owner", "group").filter(pk=project_id, deleted_at=None).first()
    if project is None:
        raise _unknown()
    _check_rights(project, values, user)
    _check_devices(project, values)
    _update(project_id, allowed_in(values), **_with_size(project, values))


def add_frames(*, project_id: int, frames: str) -> None:
    """Note that more frames are wanted than at the start."""
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        raise _unknown()
    both = format_frames(parse_frames(f"{project.frames},{frames}"))
    _update(project_id, sources(ProjectStatus.RENDERING) | {ProjectStatus.RENDERING}, frames=both)


def mark_started(*, project_id: int, now: datetime) -> None:
    """Machines get its tiles from now on.

    Raises Conflict if the farm has no Blender for it, Forbidden if the owner has too many projects open.
    """
    if Project.objects.filter(pk=project_id, status=ProjectStatus.READY, renderer=None).exists():
        raise Conflict("the farm has no Blender yet; ask an admin to add one, then start the project")
    with transaction.atomic():
        _update(project_id, {ProjectStatus.READY}, status=ProjectStatus.RENDERING, started_at=now, reason="")
        _check_open_limit(project_id)


def mark_paused(*, project_id: int, now: datetime, reason: str = "") -> None:
    """Nothing more is handed out."""
    _move(project_id, ProjectStatus.PAUSED, reason=reason)


def mark_resumed(*, project_id: int, now: datetime) -> None:
    """A paused project goes on."""
    _update(project_id, {ProjectStatus.PAUSED}, status=ProjectStatus.RENDERING, reason="")


def mark_rendering_again(*, project_id: int, now: datetime) -> None:
    """There are new tiles: a finished or cancelled project goes on; one that renders or pauses stays so."""
    ended = {ProjectStatus.FINISHED, ProjectStatus.CANCELLED}
    rows = Project.objects.filter(pk=project_id, deleted_at=None, status__in=ended)
    if rows.update(status=ProjectStatus.RENDERING, finished_at=None, reason="") == 0:
        _update(project_id, set(OPEN_STATUSES), finished_at=None)


def mark_cancelled(*, project_id: int, now: datetime) -> None:
    """Its owner wants no more frames."""
    _move(project_id, ProjectStatus.CANCELLED, finished_at=now)


def mark_blocked(*, project_id: int, reason: str, now: datetime) -> None:
    """The farm refuses it."""
    _move(project_id, ProjectStatus.BLOCKED, reason=reason, finished_at=now)


def mark_finished(*, project_id: int, now: datetime) -> bool:
    """No tile needs a machine any more. False if the project was not rendering (any more)."""
    rows = Project.objects.filter(pk=project_id, status__in=sources(ProjectStatus.FINISHED))
    return rows.update(status=ProjectStatus.FINISHED, finished_at=now) == 1


def move_to_bin(*, project_id: int, now: datetime) -> None:
    """Out of sight, but not gone."""
    if Project.objects.filter(pk=project_id, deleted_at=None).update(deleted_at=now) == 0:
        raise _unknown()


def restore(*, project_id: int, now: datetime) -> None:
    """Out of the bin again, in the status it had."""
    if Project.objects.filter(pk=project_id).exclude(deleted_at=None).update(deleted_at=None) == 0:
        raise NotFound("there is no such project in the bin")


def purge(*, project_id: int) -> None:
    """Gone for good, with its tiles and results. Its blobs go with the next round of `core.garbage`."""
    if Project.objects.filter(pk=project_id).exclude(deleted_at=None).delete()[0] == 0:
        raise NotFound("there is no such project in the bin")


def forget_upload(*, project_id: int) -> None:
    """Nobody went on with its upload: a project that never had any bytes goes at once."""
    Project.objects.filter(pk=project_id, status=ProjectStatus.UPLOADING).delete()


def _move(project_id: int, to: ProjectStatus, **values: object) -> None:
    _update(project_id, sources(to), status=to, **values)


def _update(project_id: int, expected: Collection[ProjectStatus], **values: object) -> None:
    """Raises Conflict if the project is in another status, NotFound if there is none (any more)."""
    rows = Project.objects.filter(pk=project_id, status__in=expected, deleted_at=None)
    if rows.update(**values) == 1:
        return
    status = Project.objects.filter(pk=project_id, deleted_at=None).values_list("status", flat=True).first()
    if status is None:
        raise _unknown()
    wanted = " or ".join(sorted(one.value for one in expected))
    raise Conflict(f"the project is {status}; this is possible only while it is {wanted}")


def _check_rights(project: Project, values: Mapping[str, Any], user: User) -> None:
    if values.get("group_id") is not None:
        _check_member(user, values["group_id"])
    highest = 100 if user.is_staff else max(project.owner.max_priority, _group_priority(project, values))
    if values.get("priority", 0) > highest:
        raise Forbidden(f"priority: {highest} is the highest that you may set; ask an admin for more")


def _group_priority(project: Project, values: Mapping[str, Any]) -> int:
    group_id = values.get("group_id", project.group_id)
    return Group.objects.filter(pk=group_id).values_list("max_priority", flat=True).first() or 0


def _check_member(user: User, group_id: int) -> None:
    if not user.is_staff and not Membership.objects.filter(user=user, group_id=group_id).exists():
        raise Forbidden("you are not a member of this group; choose one of yours")


def _check_devices(project: Project, values: Mapping[str, Any]) -> None:
    if not values.get("use_cpu", project.use_cpu) and not values.get("use_gpu", project.use_gpu):
        raise BadInput("with neither CPU nor GPU nothing can render; allow at least one of them")


def _with_size(project: Project, values: dict[str, Any]) -> dict[str, Any]:
    """A new percentage changes the size in pixels."""
    if "percentage" not in values:
        return values
    facts, crop = project.facts, project.facts.get("crop")
    width, height = size_at(facts["width"], facts["height"], values["percentage"], Crop(**crop) if crop else None)
    return {**values, "width": width, "height": height}


def _check_open_limit(project_id: int) -> None:
    owner = User.objects.get(projects=project_id)
    open_projects = owner.projects.filter(status__in=OPEN_STATUSES, deleted_at=None).count()
    if owner.max_open_projects and open_projects > owner.max_open_projects:
        raise Forbidden(f"{owner.max_open_projects} projects may be open at a time; wait until one ends, or cancel one")


def _unknown() -> NotFound:
    return NotFound("there is no such project")
