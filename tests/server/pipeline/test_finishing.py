"""A project ends with its last tile, also when the last two were accepted at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.pipeline.finishing import finish_done_projects, finish_overlooked
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.server.farm import NOON, make_project

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_last_tile_finishes_its_project() -> None:
    project = make_project(tiles=2)
    assert (_finish_tile(project, 1), _finish_tile(project, 2)) == ([], [project.pk])
    assert _status(project) == ProjectStatus.FINISHED
    assert finish_overlooked(now=NOON) == []


def test_what_two_transactions_overlooked_is_finished_once() -> None:
    """PostgreSQL alone lets both be under way at once; SQLite's second one begins after the first."""
    project, other = make_project(tiles=2), make_project(tiles=1)
    finished: list[int] = []

    def finish_the_second() -> None:
        with transaction.atomic():
            finished.extend(_finish_tile(project, 2))

    with transaction.atomic():
        finished.extend(_finish_tile(project, 1))
        if connection.vendor == "postgresql":
            _in_a_thread(finish_the_second)
    if connection.vendor == "sqlite":
        finish_the_second()

    overlooked = [project.pk] if connection.vendor == "postgresql" else []
    assert finished + overlooked == [project.pk]
    assert finish_overlooked(now=NOON) == overlooked
    assert finish_overlooked(now=NOON) == []
    assert (_status(project), _status(other)) == (ProjectStatus.FINISHED, ProjectStatus.RENDERING)


def _finish_tile(project: Project, frame: int) -> list[int]:
    Tile.objects.filter(project=project, frame=frame).update(status=TileStatus.DONE)
    return finish_done_projects(project_ids=[project.pk], now=NOON)


def _status(project: Project) -> str:
    return Project.objects.values_list("status", flat=True).get(pk=project.pk)


def _in_a_thread(work: Callable[[], None]) -> None:
    """With a connection of its own."""

    def run() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
