"""Taking tiles: never more than asked for, whatever plan the database makes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sheepfold.server.frames import states
from sheepfold.server.frames.models import Tile, TileStatus
from tests.server.farm import NOON, make_project, statuses

pytestmark = pytest.mark.django_db

# What PostgreSQL chooses when it takes the table for empty, e.g. on a farm whose statistics are a moment old.
ONLY_NESTED_LOOPS = ("enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort", "enable_material")


@pytest.fixture
def nested_loops() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in ONLY_NESTED_LOOPS:
                cursor.execute(f"SET LOCAL {way} = off")


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_fresh_tiles_are_taken_as_asked_for(nested_loops: None, count: int) -> None:
    project = make_project(tiles=4)

    taken = states.take_fresh({project.pk: count}, now=NOON)

    assert [tile.frame for tile in taken[project.pk]] == [1, 2][:count]
    assert statuses(project) == [TileStatus.RENDERING] * count + [TileStatus.WAITING] * (4 - count)


def test_one_tile_is_taken_again_at_a_time(nested_loops: None) -> None:
    project = make_project(tiles=3)
    Tile.objects.update(failures=1)

    taken = states.take_again(project.pk, 7, now=NOON)

    assert [tile.frame for tile in taken] == [1]
    assert statuses(project) == [TileStatus.RENDERING, TileStatus.WAITING, TileStatus.WAITING]


def test_tiles_of_many_projects_are_taken_in_one_statement(nested_loops: None) -> None:
    first, second, empty = make_project(tiles=3), make_project(tiles=1), make_project(tiles=0)

    with CaptureQueriesContext(connection) as queries:
        taken = states.take_fresh({first.pk: 2, second.pk: 5, empty.pk: 1}, now=NOON)

    assert {pk: [tile.frame for tile in tiles] for pk, tiles in taken.items()} == {first.pk: [1, 2], second.pk: [1]}
    assert statuses(first) == [TileStatus.RENDERING, TileStatus.RENDERING, TileStatus.WAITING]
    assert len(queries) == 1
