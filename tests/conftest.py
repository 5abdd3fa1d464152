"""What every test gets: settings of its own and an empty database, on SQLite or PostgreSQL.

`./sheepfold test` starts two workers. The first runs everything on SQLite; the second (SHEEPFOLD_TEST_ENGINE)
runs what touches a database again on PostgreSQL. `pytest tests/…` by hand uses SQLite.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
import psycopg
import pytest
from django.db import connections

ON_POSTGRESQL = os.environ.get("SHEEPFOLD_TEST_ENGINE") == "postgresql"
POSTGRESQL_URL = os.environ.get("SHEEPFOLD_TEST_POSTGRESQL", "")
DATA_DIR = Path(tempfile.mkdtemp(prefix="sheepfold-test-"))

# Django reads its settings here and not in pytest-django, since deeper conftests import models.
os.environ["SHEEPFOLD_DATA_DIR"] = str(DATA_DIR)
os.environ["SHEEPFOLD_DATABASE_URL"] = POSTGRESQL_URL if ON_POSTGRESQL else ""
os.environ["DJANGO_SETTINGS_MODULE"] = "sheepfold.server.settings"
django.setup()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "database: talks to a database; runs on SQLite and on PostgreSQL")
    config.addinivalue_line("markers", "second_worker: runs once, in the worker for PostgreSQL, which has less to do")


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured without asserting it: how long a farm needs to be back after each fault."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    lines = {f"{name}: {value}" for report in reports for name, value in getattr(report, "user_properties", ())}
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("".join(f"{line}\n" for line in sorted(lines)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The PostgreSQL worker leaves out what the other one does as well, and does some things alone."""
    if ON_POSTGRESQL or "PYTEST_XDIST_WORKER" in os.environ:
        kept = [item for item in items if _is_for_this_worker(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _is_for_this_worker(item: pytest.Item) -> bool:
    if item.get_closest_marker("second_worker"):
        return ON_POSTGRESQL
    return not ON_POSTGRESQL or _touches_database(item)


def _touches_database(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("database") or item.get_closest_marker("django_db")
    return bool(marked) or not {"db", "transactional_db", "empty_farm"}.isdisjoint(item.fixturenames)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as in real life: the database in memory that Django would take knows no WAL."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")


@dataclass(frozen=True)
class EmptyFarm:
    """What a server in its own process works on: a data folder and the URL of its database, empty for SQLite."""

    data_dir: Path
    database_url: str

    @property
    def settings(self) -> dict[str, str]:
        """Its environment variables."""
        return {"SHEEPFOLD_DATA_DIR": str(self.data_dir), "SHEEPFOLD_DATABASE_URL": self.database_url}


@pytest.fixture(scope="session")
def _migrated_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmptyFarm]:
    """A farm whose database has its tables: making them takes seconds, copying them does not."""
    with _database() as url:
        farm = EmptyFarm(tmp_path_factory.mktemp("migrated"), url)
        command = [sys.executable, "-m", "sheepfold", "migrate"]
        subprocess.run(command, env=os.environ | farm.settings, check=True)
        yield farm


@pytest.fixture
def empty_farm(_migrated_farm: EmptyFarm, tmp_path: Path) -> Iterator[EmptyFarm]:
    """A farm of this test alone."""
    data_dir = tmp_path / "farm"
    shutil.copytree(_migrated_farm.data_dir, data_dir)
    with _database(template=_migrated_farm.database_url) as url:
        yield EmptyFarm(data_dir, url)


@contextmanager
def _database(template: str = "") -> Iterator[str]:
    if not ON_POSTGRESQL:
        yield ""
        return
    name = f"farm_{uuid.uuid4().hex}"
    source = template.rpartition("/")[2] or "template1"
    with psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        yield POSTGRESQL_URL.removesuffix("sheepfold") + name
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(empty_farm: EmptyFarm) -> str:
    """SHEEPFOLD_DATABASE_URL of such a farm."""
    return empty_farm.database_url
