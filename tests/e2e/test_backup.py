"""A farm is copied while machines render, destroyed, and made again from the copy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from sheepfold.protocol.codes import UploadStatus
from tests.conftest import EmptyFarm
from tests.e2e.books import open_books
from tests.e2e.running import FarmProcess, run_python
from tests.server.conftest import Server
from tests.server.node_api.machine import Machine, png

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

TILES = 5
FILL = Path(__file__).parent / "fill_farm.py"


@pytest.fixture
def serving(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = FarmProcess(empty_farm, tmp_path / "farm.log")
    farm.start()
    yield farm
    farm.stop()


def test_a_farm_that_was_destroyed_in_mid_render_goes_on_from_its_backup(
    empty_farm: EmptyFarm, serving: FarmProcess, tmp_path: Path
) -> None:
    machine = _machine(empty_farm, serving, tmp_path)
    assert machine.upload(machine.job(), png(seed=1)) == UploadStatus.OK
    rendering = machine.job()

    assert _run(empty_farm, "backup", str(tmp_path / "copy"))[0] == 0
    serving.kill()
    _destroy(empty_farm)
    status, words = _run(empty_farm, "restore", str(tmp_path / "copy"))
    assert (status, words[: words.index(" of ")]) == (0, "the farm")
    serving.start()

    assert machine.upload(rendering, png(seed=2)) == UploadStatus.OK
    for seed in range(3, TILES + 1):
        assert machine.upload(machine.job(), png(seed=seed)) == UploadStatus.OK
    books = open_books(empty_farm)
    assert set(books.accepted_per_tile().values()) == {1}
    books.check()
    assert _run(empty_farm, "verify", "--read")[0] == 0


def test_a_backup_is_brought_up_to_date_and_never_restored_over_a_farm(
    empty_farm: EmptyFarm, serving: FarmProcess, tmp_path: Path
) -> None:
    machine = _machine(empty_farm, serving, tmp_path)
    copy = str(tmp_path / "copy")
    assert _run(empty_farm, "backup", copy)[1].endswith(f"is in {copy}, with 2 files\n")
    assert machine.upload(machine.job(), png(seed=1)) == UploadStatus.OK

    assert _run(empty_farm, "backup", copy)[1].endswith(f"is in {copy}, with 4 files\n")

    refusal = "sheepfold: there is a farm already; restore into an empty data folder or database\n"
    assert _run(empty_farm, "restore", copy) == (1, refusal)
    assert open_books(empty_farm).done() == 1


def test_a_folder_without_a_finished_backup_is_refused(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    _destroy(empty_farm)
    status, words = _run(empty_farm, "restore", str(tmp_path))
    assert (status, words.split(" (")[0]) == (1, f"sheepfold: {tmp_path} holds no finished backup")


def _machine(farm: EmptyFarm, serving: FarmProcess, tmp_path: Path) -> Machine:
    """Logged in on a farm with a project; what it would run does not matter here."""
    for name in ("renderer", "scene"):
        (tmp_path / name).write_text(name)
    key = run_python(farm, FILL, tmp_path / "renderer", tmp_path / "scene", str(TILES))
    address = urlsplit(serving.url)
    machine = Machine(Server(address.hostname or "", address.port or 0), login="ada", password=key)
    machine.config()
    return machine


def _run(farm: EmptyFarm, *arguments: str) -> tuple[int, str]:
    """Status of a command, and what it said."""
    command = [sys.executable, "-m", "sheepfold", *arguments]
    done = subprocess.run(command, env=os.environ | farm.settings, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def _destroy(farm: EmptyFarm) -> None:
    """The disk is gone."""
    shutil.rmtree(farm.data_dir)
    if farm.database_url:
        with psycopg.connect(farm.database_url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
