"""Background jobs over real uploads: a scene becomes ready, is refused in words, or asks which of several is meant."""

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from PIL import Image

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.jobs import huey
from sheepfold.server.core.models import Event
from sheepfold.server.core.storage import store
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.outputs.models import Video
from sheepfold.server.pipeline import preparing, tasks
from sheepfold.server.projects import actions, intake
from sheepfold.server.projects.models import Project
from sheepfold.server.results.models import Result, Verdict
from tests.server.farm import NOON, make_project, make_renderer, make_user

pytestmark = pytest.mark.django_db(transaction=True)  # a job begins and ends with a fresh connection

SCENE = """
import bpy
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 6
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 200, 100, 50
scene.render.engine = "CYCLES"
bpy.ops.wm.save_as_mainfile(filepath=FOLDER + "/walk.blend", compress=True)
scene.camera = None
bpy.ops.wm.save_as_mainfile(filepath=FOLDER + "/blind.blend")
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good scene and one without a camera."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "make.py").write_text(f"FOLDER = {str(folder)!r}\n{SCENE}")
    command = ["blender", "--background", "--factory-startup", "--python-exit-code", "1", "-P", str(folder / "make.py")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    """Jobs wait in the queue until a test takes them out."""
    huey.storage.flush_queue()
    yield
    huey.storage.flush_queue()


def upload(name: str, data: bytes) -> Project:
    project = actions.create_project(owner=make_user(), name="Walk")
    ref = intake.keep_whole(name=name, chunks=[data])
    actions.finish_upload(project_id=project.pk, ref=ref, upload_name=name)
    return project


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def run_jobs() -> None:
    while (job := huey.dequeue()) is not None:
        huey.execute(job)


def analysed(project: Project) -> Project:
    tasks.analyse(project.pk)
    run_jobs()
    project.refresh_from_db()
    return project


def test_a_good_scene_becomes_ready_with_its_own_settings_and_an_archive(scenes: Path) -> None:
    renderer = make_renderer("3.4.1")
    project = analysed(upload("walk.blend", (scenes / "walk.blend").read_bytes()))
    assert (project.status, project.problems, project.renderer_id) == ("ready", [], renderer.pk)
    assert (project.width, project.height, project.percentage, project.frames) == (100, 50, 50, "1-6")
    assert (project.blend_path, project.facts["engine"], project.facts["camera"]) == ("walk.blend", "CYCLES", "Camera")
    assert project.archive is not None
    with zipfile.ZipFile(io.BytesIO(store().read(project.archive.sha256))) as archive:
        assert archive.read("walk.blend") == (scenes / "walk.blend").read_bytes()
    assert Event.objects.filter(topic=f"project:{project.pk}", kind="project").exists()


def test_a_scene_that_cannot_be_rendered_is_refused_with_what_to_do(scenes: Path) -> None:
    project = analysed(upload("blind.blend", (scenes / "blind.blend").read_bytes()))
    assert (project.status, project.archive_id) == ("rejected", None)
    assert project.reason == "the scene `Scene` has no camera; add one and make it active"


@pytest.mark.parametrize("data", [b"not a scene", b"BLENDER-v304" + b"\x00" * 100, b"PK\x03\x04 no zip"])
def test_bytes_that_are_no_scene_are_refused(data: bytes) -> None:
    project = analysed(upload("walk.blend", data))
    assert project.status == "rejected"
    assert project.reason


def test_of_several_scenes_the_owner_chooses_one(scenes: Path) -> None:
    make_renderer("3.4.1")
    good = (scenes / "walk.blend").read_bytes()
    project = analysed(upload("walk.zip", zipped({"a/walk.blend": good, "b/walk.blend": good})))
    assert (project.status, [one["choice"] for one in project.problems]) == (
        "analysing",
        ["a/walk.blend", "b/walk.blend"],
    )
    tasks.requeue_lost(now=NOON)
    assert huey.pending() == []
    actions.choose_blend(project_id=project.pk, blend_path="b/walk.blend")
    project = analysed(project)
    assert (project.status, project.blend_path) == ("ready", "b/walk.blend")


def test_a_project_that_came_before_the_first_blender_gets_it_later(scenes: Path) -> None:
    project = analysed(upload("walk.blend", (scenes / "walk.blend").read_bytes()))
    assert project.renderer_id is None
    assert "the farm has no Blender yet" in project.problems[0]["text"]
    renderer = make_renderer("3.4.1")
    tasks.requeue_lost(now=NOON)
    project.refresh_from_db()
    assert project.renderer_id == renderer.pk


def test_a_fault_of_the_farm_refuses_the_file_once_instead_of_failing_every_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Project) -> preparing.Outcome:
        raise KeyError("a bug")

    monkeypatch.setattr(preparing, "prepare", broken)
    project = analysed(upload("walk.blend", b"BLENDER"))
    assert (project.status, project.reason) == ("rejected", tasks.UNEXPECTED)


def test_a_passing_failure_leaves_the_project_to_be_tried_again(monkeypatch: pytest.MonkeyPatch, scenes: Path) -> None:
    def full(_: Project) -> preparing.Outcome:
        raise OSError(28, "no space left on device")

    project = upload("walk.blend", (scenes / "walk.blend").read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(preparing, "prepare", full)
        assert analysed(project).status == "analysing"
    tasks.requeue_lost(now=NOON)
    run_jobs()
    project.refresh_from_db()
    assert project.status == "ready"


def test_a_job_that_runs_twice_changes_nothing_the_second_time(scenes: Path) -> None:
    project = analysed(upload("walk.blend", (scenes / "walk.blend").read_bytes()))
    before = Project.objects.filter(pk=project.pk).values().get()
    analysed(project)
    assert Project.objects.filter(pk=project.pk).values().get() == before


def test_a_lost_job_is_enqueued_once_however_often_it_is_looked_for() -> None:
    project = upload("walk.blend", b"BLENDER")
    tasks.requeue_lost(now=NOON)
    tasks.requeue_lost(now=NOON)
    assert [(job.name, job.args) for job in huey.pending()] == [("analyse", (project.pk,))]


def accept(project: Project, frame: int, data: bytes) -> None:
    """An accepted image of a frame, without the machine."""
    tile = Tile.objects.get(project=project, frame=frame)
    blob = record_blob(ref=store().keep_bytes(data, "image/png"))
    Tile.objects.filter(pk=tile.pk).update(status=TileStatus.DONE)
    Result.objects.create(
        tile=tile, project_id=project.pk, lease_token=f"{tile.pk}", machine_id=1, blob=blob, thumbnail=blob,
        verdict=Verdict.ACCEPTED, format="PNG", size=len(data), created_at=NOON,
    )  # fmt: skip


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 16), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_finished_project_gets_its_film() -> None:
    project = make_project(tiles=3, fps=12)
    for frame in (1, 2, 3):
        accept(project, frame, picture(frame * 50))
    tasks.encode_video(project.pk)
    run_jobs()
    video = Video.objects.select_related("blob").get(project=project)
    assert (video.status, video.frames) == ("done", 3)
    assert video.blob is not None
    assert store().read(video.blob.sha256)[4:8] == b"ftyp"
    assert Event.objects.filter(topic=f"project:{project.pk}", kind="video").count() == 1


def test_frames_that_cannot_be_read_leave_no_film_but_a_reason() -> None:
    project = make_project(tiles=2)
    accept(project, 1, b"bad")
    accept(project, 2, b"worse")
    tasks.encode_video(project.pk)
    run_jobs()
    video = Video.objects.get(project=project)
    assert (video.status, video.blob_id, video.reason) == ("failed", None, "a film needs 2 readable frames or more")


def test_one_frame_is_no_film() -> None:
    project = make_project(tiles=1)
    accept(project, 1, picture(9))
    tasks.encode_video(project.pk)
    run_jobs()
    assert not Video.objects.filter(project=project).exists()


def test_an_outcome_for_a_project_that_moved_on_is_dropped_whole() -> None:
    project = upload("walk.blend", b"BLENDER")
    with transaction.atomic():
        actions.reject_project(project_id=project.pk, reason="first")
    tasks._record(project.pk, preparing.Refused("second"))
    project.refresh_from_db()
    assert project.reason == "first"
