"""The database cuts its connections, is locked by others and takes no writes, while machines work."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.conftest import EmptyFarm
from tests.e2e.faults.load import Load, loaded
from tests.e2e.faults.small_disk import read_only
from tests.e2e.running import FarmProcess, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

TILES = 90
CUTS = 5
REFUSED = 8  # requests, before the database takes writes again
LOCKED_SECONDS = 2  # in which all requests wait; up to 30 they lose nothing but time
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def serving(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    serving = FarmProcess(empty_farm, tmp_path / "farm.log")
    yield serving
    serving.stop()


def test_no_tile_is_lost_whatever_the_database_refuses(
    serving: FarmProcess, record_property: Callable[[str, object], None]
) -> None:
    faults = _postgresql_faults if serving.farm.database_url else _sqlite_faults
    with loaded(serving.farm, serving.start, TILES) as load:
        for name, fault in faults(serving, load).items():
            load.suffer(name, fault)

    load.report(record_property)


def _postgresql_faults(serving: FarmProcess, load: Load) -> dict[str, Callable[[], None]]:
    name = serving.farm.database_url.rpartition("/")[2]

    def execute(*statements: str) -> None:
        with psycopg.connect(serving.farm.database_url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            for statement in statements:
                connection.execute(statement)

    def cut() -> None:
        for _ in range(CUTS):
            execute(CUT)
            load.await_more(1)

    def take_no_writes() -> None:
        execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on', CUT)
        _await_refusals(load)
        execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')

    return {"connections are cut": cut, "the database is read-only": take_no_writes}


def _sqlite_faults(serving: FarmProcess, load: Load) -> dict[str, Callable[[], None]]:
    def lock() -> None:
        data_dir = serving.farm.data_dir
        with _locked(data_dir / "sheepfold.sqlite3"), _locked(data_dir / "jobs.sqlite3"):
            time.sleep(LOCKED_SECONDS)

    def take_no_writes() -> None:
        with read_only(serving.farm.data_dir, serving.family) as must_open_anew:
            for name in ("web", "background") if must_open_anew else ():
                serving.kill_child(name)
            _await_refusals(load)

    return {"the database is locked": lock, "the database is read-only": take_no_writes}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else writes meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _await_refusals(load: Load) -> None:
    before = load.ledger.troubles.total()
    wait_until(lambda: load.ledger.troubles.total() >= before + REFUSED, "machines hear of it")
