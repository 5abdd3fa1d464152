"""A project moves only where the table of transitions allows, by one statement, and keeps what it had otherwise."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sheepfold.server.accounts.models import Group, Membership, User
from sheepfold.server.core.errors import BadInput, Conflict, Forbidden, NotFound
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.projects import actions
from sheepfold.server.projects.actions import Analysis, SceneDefaults
from sheepfold.server.projects.changes import SettingsChange
from sheepfold.server.projects.facts import SceneFacts
from sheepfold.server.projects.formats import OutputFormat, rendered_format
from sheepfold.server.projects.models import FrameOrder, Project, ProjectStatus, Visibility
from sheepfold.server.projects.queries import binned_before, waiting_for_analysis
from tests.server.farm import NOON, later, make_project, make_renderer, make_user

pytestmark = pytest.mark.django_db

UPLOAD = BlobRef("a" * 64, "a" * 32, 10, "application/zip")
ARCHIVE = BlobRef("b" * 64, "b" * 32, 20, "application/zip")
DEFAULTS = SceneDefaults(width=960, height=540, percentage=50, fps=25, frames="1-24", output_format=OutputFormat.PNG)
FACTS = SceneFacts(
    version="4.2", scene="Scene", scenes=("Scene",), frame_start=1, frame_end=24, frame_step=1, fps=25, width=1920,
    height=1080, percentage=50, crop=None, engine="CYCLES", samples=64, file_format="PNG", color_mode="RGB",
    camera="Camera", uses_gpu=False, stereo=False, writes_files=False, scripts=(), drivers=(), unbaked=(), size=1000,
)  # fmt: skip
ANALYSIS = Analysis(facts=FACTS.to_json(), problems=[], blend_path="walk.blend", defaults=DEFAULTS, renderer_id=None)
STEPS = {
    ProjectStatus.ANALYSING: lambda pk: actions.finish_upload(project_id=pk, ref=UPLOAD, upload_name="walk.zip"),
    ProjectStatus.READY: lambda pk: actions.record_analysis(project_id=pk, analysis=ANALYSIS, archive=ARCHIVE),
    ProjectStatus.REJECTED: lambda pk: actions.reject_project(project_id=pk, reason="no camera"),
    ProjectStatus.PAUSED: lambda pk: actions.mark_paused(project_id=pk, now=NOON),
    ProjectStatus.CANCELLED: lambda pk: actions.mark_cancelled(project_id=pk, now=NOON),
    ProjectStatus.BLOCKED: lambda pk: actions.mark_blocked(project_id=pk, reason="spam", now=NOON),
}
FROM = {
    ProjectStatus.ANALYSING: {"uploading"},
    ProjectStatus.READY: {"analysing"},
    ProjectStatus.REJECTED: {"uploading", "analysing"},
    ProjectStatus.PAUSED: {"rendering"},
    ProjectStatus.CANCELLED: {"rendering", "paused"},
    ProjectStatus.BLOCKED: {"ready", "rendering", "paused", "finished", "cancelled"},
}


def uploaded(owner: User | None = None) -> Project:
    return actions.create_project(owner=owner or make_user(), name="Walk")


def ready(owner: User | None = None) -> Project:
    project = uploaded(owner)
    STEPS[ProjectStatus.ANALYSING](project.pk)
    STEPS[ProjectStatus.READY](project.pk)
    actions.assign_renderer(project_id=project.pk, renderer_id=make_renderer().pk, problems=[])
    project.refresh_from_db()
    return project


@pytest.mark.parametrize("status", ProjectStatus)
@pytest.mark.parametrize("to", STEPS)
def test_every_move_is_allowed_from_exactly_its_statuses(status: ProjectStatus, to: ProjectStatus) -> None:
    project = make_project(tiles=0, status=status)
    if status in FROM[to]:
        STEPS[to](project.pk)
        project.refresh_from_db()
        assert project.status == to
    else:
        with pytest.raises(Conflict, match=f"the project is {status}"):
            STEPS[to](project.pk)
        project.refresh_from_db()
        assert project.status == status


def test_a_project_passes_from_upload_to_the_last_tile() -> None:
    project = uploaded()
    assert project.status == ProjectStatus.UPLOADING
    actions.finish_upload(project_id=project.pk, ref=UPLOAD, upload_name="walk.zip")
    assert waiting_for_analysis() == [project.pk]
    actions.record_analysis(project_id=project.pk, analysis=ANALYSIS, archive=ARCHIVE)
    with pytest.raises(Conflict, match="no Blender yet"):
        actions.mark_started(project_id=project.pk, now=NOON)
    actions.assign_renderer(project_id=project.pk, renderer_id=make_renderer().pk, problems=[])
    actions.mark_started(project_id=project.pk, now=NOON)
    assert actions.mark_finished(project_id=project.pk, now=later(hours=1))
    assert not actions.mark_finished(project_id=project.pk, now=later(hours=2))
    project.refresh_from_db()
    assert (project.status, project.started_at, project.finished_at) == ("finished", NOON, later(hours=1))


def test_settings_begin_as_the_file_has_them() -> None:
    project = ready()
    assert (project.width, project.height, project.percentage, project.fps) == (960, 540, 50, 25)
    assert (project.frames, project.output_format, project.blend_path) == ("1-24", "PNG", "walk.blend")
    assert (project.upload_id, project.archive_id, project.revision) == (UPLOAD.sha256, ARCHIVE.sha256, 1)


def test_a_move_is_one_statement() -> None:
    project = make_project(tiles=0)
    with CaptureQueriesContext(connection) as queries:
        actions.mark_paused(project_id=project.pk, now=NOON)
    assert len(queries) == 1


def test_a_scene_is_chosen_among_those_that_were_offered() -> None:
    project = uploaded()
    actions.finish_upload(project_id=project.pk, ref=UPLOAD, upload_name="walk.zip")
    actions.ask_for_blend(project_id=project.pk, problems=[{"choice": "a.blend"}, {"choice": "b/c.blend"}])
    assert waiting_for_analysis() == []
    with pytest.raises(BadInput, match="choose one of the list"):
        actions.choose_blend(project_id=project.pk, blend_path="d.blend")
    assert waiting_for_analysis() == []
    actions.choose_blend(project_id=project.pk, blend_path="b/c.blend")
    assert waiting_for_analysis() == [project.pk]
    project.refresh_from_db()
    assert (project.blend_path, project.problems) == ("b/c.blend", [])


def test_a_finished_project_goes_on_and_a_paused_one_stays_paused_when_there_are_new_tiles() -> None:
    finished, paused = (
        make_project(tiles=0, status="finished", finished_at=NOON),
        make_project(tiles=0, status="paused"),
    )
    for project in (finished, paused):
        actions.mark_rendering_again(project_id=project.pk, now=NOON)
        project.refresh_from_db()
    assert (finished.status, finished.finished_at, paused.status) == ("rendering", None, "paused")
    with pytest.raises(Conflict):
        actions.mark_rendering_again(project_id=ready().pk, now=NOON)


def test_frames_are_added_to_those_there_are() -> None:
    project = make_project(tiles=0, frames="1-3")
    actions.add_frames(project_id=project.pk, frames="3-5,9")
    project.refresh_from_db()
    assert project.frames == "1-5,9"


def test_the_bin_hides_a_project_until_it_is_restored_or_purged() -> None:
    project = make_project(tiles=2)
    actions.move_to_bin(project_id=project.pk, now=NOON)
    with pytest.raises(NotFound):
        actions.mark_paused(project_id=project.pk, now=NOON)
    with pytest.raises(NotFound):
        actions.move_to_bin(project_id=project.pk, now=NOON)
    actions.restore(project_id=project.pk, now=NOON)
    with pytest.raises(NotFound, match="in the bin"):
        actions.purge(project_id=project.pk)
    actions.move_to_bin(project_id=project.pk, now=NOON)
    assert (binned_before(now=later(days=30)), binned_before(now=later(days=31))) == ([], [project.pk])
    actions.purge(project_id=project.pk)
    assert not Project.objects.filter(pk=project.pk).exists()


def test_an_owner_has_no_more_projects_open_than_allowed() -> None:
    owner = make_user(max_open_projects=1)
    first, second = ready(owner), ready(owner)
    actions.mark_started(project_id=first.pk, now=NOON)
    with pytest.raises(Forbidden, match="1 projects may be open"):
        actions.mark_started(project_id=second.pk, now=NOON)
    second.refresh_from_db()
    assert second.status == ProjectStatus.READY


def test_every_setting_can_be_changed_before_the_start() -> None:
    owner = make_user(max_priority=80)
    project = ready(owner)
    group = Group.objects.create(name="class 5b")
    Membership.objects.create(group=group, user=owner)
    change = SettingsChange(
        name="  Long   walk ", frames="5,1-3", order=FrameOrder.PREVIEW, percentage=25, samples=16,
        output_format=OutputFormat.OPEN_EXR, fps=23.976, use_gpu=True, use_cpu=False, min_ram_kib=1024,
        max_minutes_per_frame=30, visibility=Visibility.GROUP, priority=80, group_id=group.pk,
    )  # fmt: skip
    actions.change_settings(project_id=project.pk, change=change, user=owner)
    project.refresh_from_db()
    assert (project.name, project.frames, project.order, project.samples) == ("Long walk", "1-3,5", "preview", 16)
    assert (project.percentage, project.width, project.height) == (25, 480, 270)
    assert (project.output_format, project.fps, project.use_gpu, project.use_cpu) == ("OPEN_EXR", 23.976, True, False)
    assert (project.min_ram_kib, project.max_minutes_per_frame) == (1024, 30)
    assert (project.visibility, project.priority, project.group_id) == ("group", 80, group.pk)
    actions.change_settings(project_id=project.pk, change=SettingsChange(samples=0, group_id=0), user=owner)
    project.refresh_from_db()
    assert (project.samples, project.group_id) == (None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SettingsChange(name=" "), "name"),
        (SettingsChange(name="a" * 101), "name"),
        (SettingsChange(name="a\x07b"), "name"),
        (SettingsChange(frames="z"), "`z`"),
        (SettingsChange(percentage=0), "percentage: 0 is not between 1 and 400 %"),
        (SettingsChange(samples=-1), "samples"),
        (SettingsChange(fps=float("nan")), "fps"),
        (SettingsChange(priority=101), "priority"),
        (SettingsChange(use_cpu=False), "neither CPU nor GPU"),
    ],
)
def test_a_setting_that_cannot_be_is_named_and_nothing_is_changed(change: SettingsChange, words: str) -> None:
    project = ready()
    before = Project.objects.filter(pk=project.pk).values().get()
    with pytest.raises(BadInput, match=words):
        actions.change_settings(
            project_id=project.pk, change=replace(change, order=FrameOrder.INWARDS), user=project.owner
        )
    assert Project.objects.filter(pk=project.pk).values().get() == before


def test_rights_bound_priority_and_groups() -> None:
    project = ready()
    with pytest.raises(Forbidden, match="50 is the highest"):
        actions.change_settings(project_id=project.pk, change=SettingsChange(priority=51), user=project.owner)
    stranger_group = Group.objects.create(name="others")
    with pytest.raises(Forbidden, match="not a member"):
        actions.change_settings(
            project_id=project.pk, change=SettingsChange(group_id=stranger_group.pk), user=project.owner
        )
    admin = make_user(is_staff=True)
    actions.change_settings(project_id=project.pk, change=SettingsChange(priority=100), user=admin)
    project.refresh_from_db()
    assert (project.priority, project.group_id) == (100, None)


def test_what_shapes_the_frames_is_fixed_once_rendering_began_and_the_rest_is_not() -> None:
    project = make_project(tiles=0, facts=ANALYSIS.facts)
    with pytest.raises(Conflict, match="only while it is ready"):
        actions.change_settings(
            project_id=project.pk, change=SettingsChange(percentage=10, priority=10), user=project.owner
        )
    actions.change_settings(project_id=project.pk, change=SettingsChange(priority=10), user=project.owner)
    project.refresh_from_db()
    assert (project.percentage, project.priority) == (100, 10)


@pytest.mark.parametrize(
    ("in_scene", "rendered"),
    [("PNG", "PNG"), ("FFMPEG", "PNG"), ("AVI_JPEG", "PNG"), ("TARGA_RAW", "TARGA"), ("DPX", "PNG"), ("HDR", "HDR"),
     ("MULTILAYER", "OPEN_EXR_MULTILAYER"), ("", "PNG")],
)  # fmt: skip
def test_films_and_rare_formats_become_png_frames(in_scene: str, rendered: str) -> None:
    assert rendered_format(in_scene) == rendered
