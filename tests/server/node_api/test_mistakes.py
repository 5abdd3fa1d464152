"""What machines hear when the farm itself makes a mistake: words that every client survives, and the log has the cause.

The mistake is real: an index that the farm does not know of lets the database refuse the second row of a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from django.db import connection

from sheepfold.protocol.codes import HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.protocol.messages import Job
from sheepfold.server.accounts.actions import create_user
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.results.models import ErrorLog, Result
from tests.server.conftest import Server
from tests.server.farm import make_project, statuses
from tests.server.node_api.machine import Machine, png


@contextmanager
def only_one(table: str, columns: str, where: str = "") -> Iterator[None]:
    """The database takes no second row with the same values of these columns, while the body runs."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX mistake ON {table} ({columns}) {where}")
        yield
        cursor.execute("DROP INDEX mistake")


@pytest.fixture
def machine(server: Server) -> Machine:
    archive = record_blob(ref=store().keep_bytes(b"the scene", "application/zip"))
    make_project(tiles=3, owner=create_user(username="shepherd", password="secret"), archive=archive)
    machine = Machine(server)
    machine.config()
    return machine


@pytest.fixture(autouse=True)
def one_cause_in_the_log(exceptions: list[str]) -> Iterator[None]:
    yield
    assert [error.partition("(")[0] for error in exceptions] == ["IntegrityError"]


def test_a_login_is_told_to_wait(machine: Machine) -> None:
    with only_one("machines_session", "generation"):
        answer = Machine(machine.server).request("GET", "/server/config.php?" + login_query(machine))
    assert (answer.status, answer.body) == (503, b"")


def login_query(machine: Machine) -> str:
    return urlencode({"login": machine.login, "password": machine.password, **machine.hardware})


def test_a_machine_that_asks_for_work_gets_none(machine: Machine) -> None:
    project_id = machine.job().id
    with only_one("dispatch_lease", "project_id"):
        assert second(machine).ask().status == WorkStatus.NO_JOB
    assert statuses(Tile.objects.get(project_id=project_id, frame=2).project) == [
        TileStatus.RENDERING,
        TileStatus.WAITING,
        TileStatus.WAITING,
    ]


def second(machine: Machine) -> Machine:
    """Another machine of the same user."""
    other = Machine(machine.server, hardware=machine.hardware | {"hostname": "another"})
    other.config()
    return other


def test_an_upload_failed_and_its_lease_stays(machine: Machine) -> None:
    other = second(machine)
    assert machine.upload(machine.job(), png()) == UploadStatus.OK
    job = other.job()
    with only_one("results_result", "verdict"):
        assert other.upload(job, png(seed=1)) == UploadStatus.UPLOAD_FAILED
    assert (Result.objects.count(), Lease.objects.get(token=job.extras).end) == (1, LeaseEnd.OPEN)
    assert other.upload(job, png(seed=1)) == UploadStatus.OK


def test_a_heartbeat_goes_on(machine: Machine) -> None:
    other, job = second(machine), machine.job()
    machine.beat(job, rendertime="9")
    another = other.job()
    with only_one("dispatch_lease", "rendertime", "WHERE rendertime > 0"):
        assert other.beat(another, rendertime="9") == HeartbeatStatus.OK
    assert Lease.objects.get(token=another.extras).rendertime == 0


def test_an_error_report_is_taken_with_thanks(machine: Machine) -> None:
    machine.report(None, "12")
    with only_one("results_errorlog", "kind"):
        assert machine.report(None, "12") == 200
    assert ErrorLog.objects.count() == 1


def test_a_download_is_refused_as_ever(machine: Machine) -> None:
    """A scene download without `revision` tells a client of 2016 from one of 2015; the second may not be one."""
    first, other = java(machine, "first"), java(machine, "second")
    assert scene_of(first, first.job())[0] == 200
    job = other.job()
    with only_one("machines_session", "generation"):
        assert scene_of(other, job) == (404, b"")


def java(machine: Machine, name: str) -> Machine:
    """A client of 2015 or 2016 of the same user."""
    made = Machine(machine.server, hardware=machine.hardware | {"hostname": name}, user_agent="Java/1.8.0")
    made.config()
    return made


def scene_of(machine: Machine, job: Job) -> tuple[int, bytes]:
    """Ask for the scene of a job."""
    answer = machine.request("GET", f"/server/archive.php?type=job&job={job.id}")
    return answer.status, answer.body
