"""A frame whose bytes the store has lost is rendered again."""

import pytest

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.pipeline.repair import render_lost_again
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.models import Result, Verdict
from tests.server.farm import NOON, make_project, make_session, statuses

pytestmark = pytest.mark.django_db

DONE, WAITING = TileStatus.DONE, TileStatus.WAITING


@pytest.fixture
def finished() -> Project:
    """A project of three frames, each with an image of its own."""
    project = make_project(tiles=3, status=ProjectStatus.FINISHED, claimable=False)
    machine_id = make_session().machine_id
    for tile in Tile.objects.filter(project=project):
        Result.objects.create(
            lease_token=f"token {tile.frame}",
            tile=tile,
            project_id=project.pk,
            machine_id=machine_id,
            blob=record_blob(ref=store().keep_bytes(b"image %d" % tile.frame, "image/png")),
            verdict=Verdict.ACCEPTED,
            created_at=NOON,
        )
    Tile.objects.filter(project=project).update(status=DONE)
    return project


def _second(project: Project) -> Result:
    return Result.objects.get(tile__frame=2, project_id=project.pk)


def test_frames_with_lost_images_wait_again_and_the_others_stay(finished: Project) -> None:
    lost = _second(finished)

    assert render_lost_again(hashes=[lost.blob_id or ""], now=NOON) == 1

    finished.refresh_from_db()
    assert (statuses(finished), finished.status, finished.claimable) == (
        [DONE, WAITING, DONE],
        ProjectStatus.RENDERING,
        True,
    )
    lost.refresh_from_db()
    assert (lost.verdict, lost.blob_id) == (Verdict.REPLACED, None)
    assert Result.objects.filter(project_id=finished.pk, verdict=Verdict.ACCEPTED).count() == 2


def test_a_project_in_the_bin_is_left_there(finished: Project) -> None:
    Project.objects.filter(pk=finished.pk).update(deleted_at=NOON)
    blob = _second(finished).blob_id or ""

    assert render_lost_again(hashes=[blob], now=NOON) == 0

    assert statuses(finished) == [DONE, DONE, DONE]


def test_bytes_that_no_frame_has_change_nothing(finished: Project) -> None:
    assert render_lost_again(hashes=["0" * 64], now=NOON) == 0
    assert statuses(finished) == [DONE, DONE, DONE]
