"""`kill -9` of the client and of the server's processes, again and again, in a run of sixty tiles.

The tests read the farm's database and its blobs from outside. Leases are short here, so that a tile that was lost
with its machine waits again within seconds.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.conftest import EmptyFarm
from tests.e2e.books import Books, open_books
from tests.e2e.running import ClientProcess, FarmProcess, fill_with_stand_in, run_python, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

TILES = 60
HELD = 5  # this frame does not end before its client is killed
HERE = Path(__file__).parent
SHORT_LEASES = {"SHEEPFOLD_LEASE_HOURS": str(12 / 3600)}


@pytest.fixture
def serving(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = FarmProcess(empty_farm, tmp_path / "farm.log", SHORT_LEASES)
    farm.start()
    yield farm
    farm.stop()


@pytest.fixture
def client(empty_farm: EmptyFarm, serving: FarmProcess, tmp_path: Path) -> Iterator[ClientProcess]:
    """A client on a farm with a started project."""
    scene = {"notes": str(tmp_path), "hold": [HELD]}
    key = fill_with_stand_in(empty_farm, tmp_path, scene, TILES)
    client = ClientProcess(serving, tmp_path / "client", key)
    client.start()
    yield client
    client.kill()


@pytest.fixture
def books(empty_farm: EmptyFarm) -> Books:
    return open_books(empty_farm)


def test_every_tile_is_done_once_whatever_is_killed(
    empty_farm: EmptyFarm, serving: FarmProcess, client: ClientProcess, books: Books, tmp_path: Path
) -> None:
    wait_until((tmp_path / f"held-{HELD}").exists, "the client is in the middle of a frame")
    client.kill()
    client.start()

    for threshold, kill in zip(_moments(4), _kills(serving, client), strict=True):
        wait_until(partial(_has_done, books, threshold), f"{threshold} tiles are done")
        kill()
    wait_until(lambda: books.done() == TILES, "all tiles are done")
    wait_until(lambda: books.open_leases() == 0, "no lease is open")
    client.kill()
    serving.stop()

    assert set(books.accepted_per_tile().values()) == {1}
    assert books.number("SELECT count(*) FROM results_result WHERE verdict IN ('accepted', 'replaced')") == TILES
    books.check()
    assert books.rows("SELECT status FROM projects_project") == [("finished",)]
    run_python(empty_farm, HERE / "forget_garbage.py")
    assert {path.parent.name + path.name for path in books.blob_files()} == books.blob_names()
    assert list((empty_farm.data_dir / "tmp").iterdir()) == []
    serving.start()


def _has_done(books: Books, tiles: int) -> bool:
    return books.done() >= tiles


def _moments(count: int) -> list[int]:
    """After how many done tiles something is killed; the same in every run."""
    return sorted(Random(2024).sample(range(HELD, TILES - 8), count))


def _kills(serving: FarmProcess, client: ClientProcess) -> list[Callable[[], None]]:
    def cut_the_power() -> None:
        serving.kill()
        serving.start()

    def cut_the_power_of_both() -> None:
        serving.kill()
        client.kill()
        serving.start()
        client.start()

    kills: list[Callable[[], None]] = [
        cut_the_power,
        lambda: serving.kill_child("web"),
        lambda: serving.kill_child("background"),
        cut_the_power_of_both,
    ]
    Random(2024).shuffle(kills)
    return kills
