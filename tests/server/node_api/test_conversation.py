"""The whole life of a machine over a real socket: every endpoint of the specification, and what it changes."""

import pytest

from sheepfold.protocol.codes import ConfigStatus, EndpointKind, UploadStatus, WorkStatus
from sheepfold.server.accounts.actions import create_render_key, create_user, revoke_render_key
from sheepfold.server.accounts.models import User
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileFailure, TileStatus
from sheepfold.server.machines.models import Machine as MachineRow
from sheepfold.server.machines.models import Session, SessionStatus
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.models import ErrorLog, PointsEntry, Result, Verdict
from tests.server.conftest import Server
from tests.server.farm import NOON, make_project, statuses
from tests.server.node_api.machine import Machine, png, query_of


@pytest.fixture
def user(transactional_db: None) -> User:
    return create_user(username="shepherd", password="secret")


@pytest.fixture
def machine(server: Server, user: User) -> Machine:
    """Logged in."""
    machine = Machine(server)
    machine.config()
    return machine


def test_a_session_has_every_endpoint_one_cookie_and_a_key_that_is_a_password(server: Server, user: User) -> None:
    machine = Machine(server)

    answer, config = machine.config()

    assert config.status == ConfigStatus.OK
    assert answer.header("content-type") == "text/xml; charset=utf-8"
    assert [name for name, _ in answer.headers if name.lower() == "set-cookie"] == ["Set-Cookie"]
    assert {endpoint.kind for endpoint in config.endpoints} >= {
        EndpointKind.VALIDATE_JOB,
        EndpointKind.REQUEST_JOB,
        EndpointKind.DOWNLOAD_ARCHIVE,
        EndpointKind.ERROR,
        EndpointKind.KEEP_ALIVE,
        EndpointKind.LOGOUT,
    }
    again = Machine(server, password=config.publickey or "")
    assert again.config()[1].publickey == config.publickey
    assert MachineRow.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"version": ""}, ConfigStatus.NO_VERSION),
        ({"os": "amiga"}, ConfigStatus.MISSING_PARAMETER),
        ({"ram": "much"}, ConfigStatus.MISSING_PARAMETER),
    ],
)
def test_a_bad_session_request_is_refused_and_leaves_nothing(
    server: Server, user: User, changes: dict[str, str], status: ConfigStatus
) -> None:
    machine = Machine(server)
    machine.hardware.update(changes)

    answer, config = machine.config()

    assert (config.status, answer.header("Set-Cookie")) == (status, None)
    assert Session.objects.count() == 0


@pytest.mark.parametrize(("login", "password"), [("shepherd", "wrong"), ("nobody", "secret"), ("shepherd", "")])
def test_wrong_credentials_are_102_with_http_200(server: Server, user: User, login: str, password: str) -> None:
    answer, config = Machine(server, login=login, password=password).config()

    assert (answer.status, config.status) == (200, ConfigStatus.AUTHENTICATION_FAILED)
    assert Session.objects.count() == 0


def test_a_revoked_key_no_longer_opens_a_session(server: Server, user: User) -> None:
    key, secret = create_render_key(user=user, name="box")
    assert Machine(server, password=secret).config()[1].status == ConfigStatus.OK

    revoke_render_key(key=key, now=NOON)

    assert Machine(server, password=secret).config()[1].status == ConfigStatus.AUTHENTICATION_FAILED


def test_a_frame_goes_all_the_way(machine: Machine, user: User) -> None:
    project = make_project(tiles=1, owner=user)

    job = machine.job()
    assert (job.id, job.frame, job.path) == (project.pk, 1, "scene.blend")
    assert machine.beat(job, rendertime="3", remainingtime="4") == 0
    assert machine.upload(job, png()) == UploadStatus.OK

    result = Result.objects.get()
    assert (result.verdict, result.width, result.height, result.format) == (Verdict.ACCEPTED, 64, 36, "PNG")
    assert store().read(result.blob_id or "") == png()
    assert statuses(project) == [TileStatus.DONE]
    assert Lease.objects.get().end == LeaseEnd.ACCEPTED
    assert Project.objects.get(pk=project.pk).status == ProjectStatus.FINISHED
    assert Session.objects.get().frames_done == 1
    assert sorted(PointsEntry.objects.values_list("kind", "user_id")) == [("rendered", user.pk), ("spent", user.pk)]
    assert sum(PointsEntry.objects.values_list("millipoints", flat=True)) == 0


def test_the_validation_url_is_enough_without_a_cookie(machine: Machine, user: User) -> None:
    project = make_project(tiles=1, owner=user)
    job = machine.job()

    assert query_of(job.validation_url) == {"job": str(job.id), "frame": "0001", "extras": job.extras}
    assert machine.upload_to_validation_url(job, png()) == UploadStatus.OK
    assert statuses(project) == [TileStatus.DONE]


def test_the_same_upload_twice_is_accepted_once(machine: Machine, user: User) -> None:
    make_project(tiles=1, owner=user)
    job = machine.job()

    assert [machine.upload(job, png()), machine.upload(job, png())] == [UploadStatus.OK, UploadStatus.OK]
    assert Result.objects.count() == 1
    assert PointsEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("image", "status", "verdict"),
    [
        (b"", UploadStatus.NOT_AN_IMAGE, Verdict.UNDECODABLE),
        (b"<html>no picture</html>", UploadStatus.NOT_AN_IMAGE, Verdict.UNDECODABLE),
        (png()[:-20], UploadStatus.NOT_AN_IMAGE, Verdict.UNDECODABLE),
        (png(size=(32, 18)), UploadStatus.WRONG_DIMENSION, Verdict.WRONG_SIZE),
    ],
    ids=["empty", "html", "truncated", "wrong size"],
)
def test_a_bad_image_gives_the_tile_back_at_once(
    machine: Machine, user: User, image: bytes, status: UploadStatus, verdict: Verdict
) -> None:
    project = make_project(tiles=1, owner=user)
    job = machine.job()

    assert machine.upload(job, image) == status

    assert statuses(project) == [TileStatus.WAITING]
    assert Lease.objects.get().end == LeaseEnd.REJECTED
    assert list(Result.objects.values_list("verdict", "blob_id")) == [(verdict, None)]
    assert TileFailure.objects.count() == 1
    assert PointsEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"extras": "unknown"}, UploadStatus.SESSION_DISABLED),
        ({"job": "999"}, UploadStatus.MISSING_PARAMETER),
        ({"frame": "0002"}, UploadStatus.MISSING_PARAMETER),
        ({"extras": ""}, UploadStatus.MISSING_PARAMETER),
    ],
)
def test_an_upload_that_names_no_lease_changes_nothing(
    machine: Machine, user: User, changes: dict[str, str], status: UploadStatus
) -> None:
    project = make_project(tiles=2, owner=user)
    job = machine.job()

    assert machine.upload(job, png(), **changes) == status

    assert statuses(project) == [TileStatus.RENDERING, TileStatus.WAITING]
    assert Lease.objects.get().end == LeaseEnd.OPEN
    assert Result.objects.count() == 0


def test_trap_14_a_status_that_freezes_old_clients_is_never_sent_to_them(server: Server, user: User) -> None:
    project = make_project(tiles=1, owner=user)
    machine = Machine(server, user_agent="Java/1.8.0")
    machine.config()
    job = machine.job()

    assert machine.upload(job, png(), frame="0002") == UploadStatus.UPLOAD_FAILED
    assert statuses(project) == [TileStatus.RENDERING]


def test_a_session_that_asks_again_gets_the_same_tile(machine: Machine, user: User) -> None:
    project = make_project(tiles=5, owner=user)
    Session.objects.update(max_leases=1)

    assert machine.job().extras == machine.job().extras
    assert statuses(project).count(TileStatus.RENDERING) == 1


def test_logout_gives_the_tile_back_and_ends_the_session(machine: Machine, user: User) -> None:
    project = make_project(tiles=1, owner=user)
    machine.job()

    assert machine.request("GET", "/server/logout.php").status == 200

    assert statuses(project) == [TileStatus.WAITING]
    assert Session.objects.get().status == SessionStatus.ENDED
    assert machine.ask().status == WorkStatus.SESSION_DEAD


def test_a_cancelled_project_stops_its_machine(machine: Machine, user: User) -> None:
    from sheepfold.server.pipeline.steps import cancel_project

    project = make_project(tiles=2, owner=user)
    job = machine.job()

    cancel_project(project_id=project.pk, now=NOON)

    assert machine.beat(job) == 400
    assert statuses(project) == [TileStatus.CANCELLED, TileStatus.CANCELLED]


def test_an_error_report_is_kept_with_its_log_and_the_tile_goes_to_another_machine(
    machine: Machine, user: User
) -> None:
    project = make_project(tiles=1, owner=user)
    job = machine.job()

    assert machine.report(job, "12", b"Blender crashed") == 200

    report = ErrorLog.objects.get()
    assert (report.kind, report.project_id, store().read(report.blob_id or "")) == (12, project.pk, b"Blender crashed")
    assert Lease.objects.get().end == LeaseEnd.ERRORED
    assert statuses(project) == [TileStatus.WAITING]
    assert machine.ask().status == WorkStatus.NO_JOB


def test_an_error_report_never_undoes_an_accepted_frame(machine: Machine, user: User) -> None:
    project = make_project(tiles=1, owner=user)
    job = machine.job()
    machine.upload(job, png())

    assert machine.report(job, "101") == 200

    assert statuses(project) == [TileStatus.DONE]
    assert Lease.objects.get().end == LeaseEnd.ACCEPTED
    assert ErrorLog.objects.get().kind == 101


@pytest.mark.parametrize(
    "target",
    ["/server/archive.php?type=job&job=1000", "/server/archive.php?type=binary&job=1000", "/server/archive.php"],
)
def test_an_archive_without_a_lease_is_404(machine: Machine, target: str) -> None:
    assert machine.request("GET", target).status == 404


def test_double_slashes_are_served_without_a_redirect(server: Server, user: User) -> None:
    machine = Machine(server)
    machine.config()

    answer = machine.request("GET", "//server/keepmealive.php?job=0&frame=0")

    assert answer.body.endswith(b'<keepmealive status="0"/>')
