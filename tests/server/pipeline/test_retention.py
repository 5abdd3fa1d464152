"""What goes by itself, through the job that takes it away."""

from datetime import timedelta

import pytest

from sheepfold.server.core.clock import now
from sheepfold.server.core.jobs import huey
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store
from sheepfold.server.pipeline import tasks
from sheepfold.server.pipeline.retention import tidy
from sheepfold.server.projects import actions, intake
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.queries import BIN_DAYS
from tests.server.farm import make_project, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def later(days: float) -> timedelta:
    return timedelta(days=days)


def test_a_project_leaves_the_bin_after_a_month_with_its_frames_and_bytes() -> None:
    kept, gone = make_project(tiles=2), make_project(tiles=2)
    archive = store().keep_bytes(b"archive", "application/zip")
    Blob.objects.create(sha256=archive.sha256, md5=archive.md5, size=archive.size)
    Project.objects.filter(pk=gone.pk).update(archive_id=archive.sha256)
    moment = now()
    actions.move_to_bin(project_id=gone.pk, now=moment)
    tidy(now=moment + later(BIN_DAYS - 1))
    assert Project.objects.filter(pk=gone.pk).exists()
    assert store().exists(archive.sha256)
    tidy(now=moment + later(BIN_DAYS + 1))
    assert list(Project.objects.values_list("pk", flat=True)) == [kept.pk]
    assert not store().exists(archive.sha256)


def test_a_project_whose_upload_was_abandoned_goes_with_it_and_one_that_has_its_bytes_stays() -> None:
    owner = make_user()
    abandoned, started = (actions.create_project(owner=owner, name="Walk") for _ in range(2))
    for project in (abandoned, started):
        intake.create_upload(owner_id=owner.pk, project_id=project.pk, name="walk.blend", size=10)
    ref = intake.keep_whole(name="walk.blend", chunks=[b"BLENDER"])
    actions.finish_upload(project_id=started.pk, ref=ref, upload_name="walk.blend")
    tidy(now=now() + intake.EXPIRY + later(1))
    assert list(Project.objects.values_list("pk", flat=True)) == [started.pk]


def test_the_job_tidies_with_the_time_of_its_run() -> None:
    project = make_project(tiles=0)
    actions.move_to_bin(project_id=project.pk, now=now() - later(BIN_DAYS + 1))
    huey.storage.flush_queue()
    tasks.tidy_up()
    huey.execute(huey.dequeue())
    assert not Project.objects.filter(pk=project.pk).exists()
