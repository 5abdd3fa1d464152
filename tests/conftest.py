"""What every test gets: settings of its own and an empty database, on SQLite or PostgreSQL.

`./sheepfold test` starts two workers. The first runs everything on SQLite; the second (SHEEPFOLD_TEST_ENGINE)
runs what touches a database again on PostgreSQL. `pytest tests/…` by hand uses SQLite.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
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


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The PostgreSQL worker leaves out what the other one does as well."""
    if ON_POSTGRESQL:
        kept = [item for item in items if _touches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _touches_database(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("database") or item.get_closest_marker("django_db")
    return bool(marked) or not {"db", "transactional_db", "database_url"}.isdisjoint(item.fixturenames)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as in real life: the database in memory that Django would take knows no WAL."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")


@pytest.fixture
def database_url() -> Iterator[str]:
    """SHEEPFOLD_DATABASE_URL of a server in its own process: empty for SQLite, else a new database."""
    if not ON_POSTGRESQL:
        yield ""
        return
    name = f"farm_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield POSTGRESQL_URL.removesuffix("sheepfold") + name
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
