import pytest
from django.db import connection

from tests.conftest import ON_POSTGRESQL


@pytest.mark.django_db
def test_each_worker_runs_on_its_engine_and_sqlite_writes_ahead_as_in_real_life() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW wal_level" if ON_POSTGRESQL else "PRAGMA journal_mode")
        assert cursor.fetchone() == (("replica",) if ON_POSTGRESQL else ("wal",))
