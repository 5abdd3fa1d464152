"""The disk fills up at each place that a farm and its client write to, and is emptied again."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from sheepfold.protocol.codes import ErrorKind
from tests.conftest import EmptyFarm
from tests.e2e.books import Books, open_books
from tests.e2e.faults.load import Load, loaded
from tests.e2e.faults.small_disk import Disk, small_disk
from tests.e2e.running import ClientProcess, FarmProcess, run_python, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

TILES = 60
REFUSED = 8  # requests, before there is room again
SCENE = b"x" * 200_000
FULL = 507
CLIENT_TILES, FRAMES_BEFORE = 20, 5
NO_DISK_SPACE = int(ErrorKind.NO_DISK_SPACE)
FILL, STAND_IN = Path(__file__).parents[1] / "fill_farm.py", Path(__file__).parents[1] / "stand_in.py"


@pytest.fixture
def serving(empty_farm: EmptyFarm) -> FarmProcess:
    return FarmProcess(empty_farm, empty_farm.data_dir / "farm.log")


@pytest.fixture
def disk(empty_farm: EmptyFarm, serving: FarmProcess, tmp_path: Path) -> Iterator[Disk]:
    """The farm's data folder: blobs, unfinished uploads, the log, and on SQLite the database and the queue of jobs."""
    moved = empty_farm.data_dir.rename(tmp_path / "moved")
    with small_disk(empty_farm.data_dir, serving.family) as disk:
        shutil.copytree(moved, empty_farm.data_dir, dirs_exist_ok=True)
        yield disk
        serving.stop()


def test_a_farm_without_room_says_so_keeps_what_it_has_and_goes_on_by_itself(
    serving: FarmProcess, disk: Disk, record_property: Callable[[str, object], None]
) -> None:
    with loaded(serving.farm, serving.start, TILES) as load, _api(serving.url, load) as api:
        upload = api.post("uploads", json={"name": "scene.blend", "size": len(SCENE)}).json()
        load.suffer("the disk is full", lambda: _fill_for_a_while(disk, load, api, upload["id"]))
        received = api.get(f"uploads/{upload['id']}").json()["received"]
        rest = api.patch(f"uploads/{upload['id']}", params={"offset": received}, content=SCENE[received:])

    assert (rest.status_code, rest.json()["done"]) == (200, True)
    load.report(record_property)


def _api(url: str, load: Load) -> httpx2.Client:
    return httpx2.Client(base_url=f"{url}/api/", headers={"Authorization": f"Bearer {load.token}"}, timeout=60)


def _fill_for_a_while(disk: Disk, load: Load, api: httpx2.Client, upload: str) -> None:
    disk.fill()
    refusal = api.patch(f"uploads/{upload}", params={"offset": 0}, content=SCENE)
    disk.stay_full(lambda: load.ledger.troubles.total() >= REFUSED, "machines hear that the disk is full")
    disk.make_room()
    assert refusal.status_code == FULL, refusal.text


def test_a_client_without_room_gives_its_frames_back_and_goes_on_by_itself(
    empty_farm: EmptyFarm, tmp_path: Path
) -> None:
    """The archives, the picture that is being rendered and the outbox are all on this disk."""
    executable, scene = tmp_path / "rend.exe", tmp_path / "scene.blend"
    executable.write_bytes(f"#!{sys.executable} -I\n".encode() + STAND_IN.read_bytes())
    scene.write_text('{"hold": []}')
    key = run_python(empty_farm, FILL, executable, scene, str(CLIENT_TILES))
    serving = FarmProcess(empty_farm, tmp_path / "farm.log")
    serving.start()
    client = ClientProcess(serving, tmp_path / "client", key)
    with small_disk(client.folder, client.family) as disk:
        try:
            _work_without_room(client, disk, open_books(empty_farm))
        finally:
            client.kill()
            serving.stop()


def _work_without_room(client: ClientProcess, disk: Disk, books: Books) -> None:
    client.start()
    wait_until(lambda: books.done() >= FRAMES_BEFORE, "the client renders")
    disk.stay_full(lambda: books.number("SELECT count(*) FROM results_errorlog") > 0, "the client says so")
    disk.make_room()
    wait_until(lambda: books.done() == CLIENT_TILES, "all tiles are done")

    wait_until(lambda: books.open_leases() == 0, "no lease is open")
    assert set(books.accepted_per_tile().values()) == {1}
    if disk.mounted:  # a mere limit is also met by renderers that have begun, and they cannot know why
        assert books.rows("SELECT DISTINCT kind FROM results_errorlog") == [(NO_DISK_SPACE,)]
        assert books.rows("SELECT * FROM frames_tilefailure") == []
    books.check()
