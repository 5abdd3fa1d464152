"""Connections of the site to the database: none is kept for a page that was answered, or that only watches."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psycopg
import pytest

from sheepfold.server.projects.models import FIRST_PROJECT_ID
from sheepfold.server.web.middleware import PAGES_AT_ONCE
from tests.conftest import EmptyFarm
from tests.e2e.running import FarmProcess, fill_with_stand_in, run_python

pytestmark = pytest.mark.database

SIGN_IN = Path(__file__).parents[2] / "e2e" / "sign_in.py"
PAGES = 60
OWN = 12  # of the database threads, the poller of events, the health check and the background process with its jobs
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def farm(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    """A farm with one project."""
    fill_with_stand_in(empty_farm, tmp_path, {"notes": str(tmp_path), "hold": [], "gates": []}, 2)
    farm = FarmProcess(empty_farm, tmp_path / "farm.log")
    farm.start()
    yield farm
    farm.stop()


@pytest.fixture
def browser(farm: FarmProcess) -> Iterator[httpx2.Client]:
    """Where the owner of the project is signed in."""
    cookies = {"sheepfold_site": run_python(farm.farm, SIGN_IN, "ada")}
    limits = httpx2.Limits(max_connections=None)
    with httpx2.Client(base_url=farm.url, cookies=cookies, limits=limits, timeout=60) as browser:
        yield browser


def _connections(farm: FarmProcess) -> int:
    if farm.farm.database_url:
        with psycopg.connect(farm.farm.database_url) as connection:
            return sum(row[0] for row in connection.execute(COUNT))
    files = [file.path for process in farm.family() for file in process.open_files()]
    return sum(path.endswith("/sheepfold.sqlite3") for path in files)


def test_an_answered_page_keeps_none(farm: FarmProcess, browser: httpx2.Client) -> None:
    for _ in range(PAGES):
        assert browser.get("/projects/").status_code == 200
    assert _connections(farm) <= OWN


def test_a_page_that_watches_keeps_none(farm: FarmProcess, browser: httpx2.Client) -> None:
    with ExitStack() as watching:
        for _ in range(PAGES):
            page = watching.enter_context(browser.stream("GET", f"/projects/{FIRST_PROJECT_ID}/live/"))
            assert page.status_code == 200
        assert _connections(farm) <= OWN


def test_many_pages_at_once_wait_for_each_other(farm: FarmProcess, browser: httpx2.Client) -> None:
    most = 0
    with ThreadPoolExecutor(2 * PAGES) as people:
        pages = [people.submit(browser.get, "/projects/") for _ in range(10 * PAGES)]
        while not all(page.done() for page in pages):
            most = max(most, _connections(farm))
    assert [page.result().status_code for page in pages] == [200] * 10 * PAGES
    assert most <= OWN + PAGES_AT_ONCE
