"""The queue survives its process, and a thing is done by one process at a time."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from sheepfold.server.core.config import ServerConfig
from sheepfold.server.core.exclusive import exclusively
from sheepfold.server.core.jobs import make_queue

HOLDER = """
import django; django.setup()
from sheepfold.server.core.exclusive import exclusively
with exclusively("shear") as mine:
    print(mine, flush=True)
    input()
"""


def test_a_job_that_was_enqueued_is_there_for_the_next_process(tmp_path: Path, database_url: str) -> None:
    done: list[int] = []
    settings = ServerConfig(data_dir=tmp_path, database_url=database_url)
    first, second = make_queue(settings), make_queue(settings)
    first.task(name="shear")(done.append)(7)
    second.task(name="shear")(done.append)
    first.storage.close()
    second.execute(second.dequeue())
    assert done == [7]
    assert second.dequeue() is None
    second.storage.close()


@pytest.mark.django_db
def test_a_thing_that_another_process_does_is_refused_until_that_process_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_same_database()
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not _try("shear")
        assert _try("spin")
        holder.kill()
        holder.wait()
    while not _try("shear"):  # PostgreSQL needs a moment to notice that the process is gone
        pass


def _try(name: str) -> bool:
    with exclusively(name) as mine:
        return mine


def _same_database() -> dict[str, str]:
    """PostgreSQL's locks are per database, so the other process has to use the test's."""
    if connection.vendor != "postgresql":
        return dict(os.environ)
    at = connection.settings_dict
    url = f"postgresql://{at['USER']}@{quote(at['HOST'], safe='')}:{at['PORT']}/{at['NAME']}"
    return {**os.environ, "SHEEPFOLD_DATABASE_URL": url}
