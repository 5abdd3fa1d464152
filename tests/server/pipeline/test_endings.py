"""Leases that end without a result: what follows for the tile, the project and the machine."""

from datetime import datetime

import pytest

from sheepfold.protocol.codes import ErrorKind, UploadStatus, WorkStatus
from sheepfold.protocol.messages import ErrorReport, FrameUpload, WorkRequest
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import Tile, TileFailure, TileStatus
from sheepfold.server.machines.models import BlockedProject, Machine, Session, SessionStatus
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.endings import recover_tiles, reopen_projects, settle_retries
from sheepfold.server.pipeline.heartbeats import expire_due
from sheepfold.server.pipeline.reports import Report, record_reports
from sheepfold.server.pipeline.uploads import Awaited, Known, Received, look_up, settle
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery, WorkReply
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.checks import ImageFacts
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.models import PointsEntry, Result, Verdict
from tests.server.farm import later, make_project, make_session, make_user, statuses

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline's clock stands at the time of the tests' rows."""
    for module in ("work", "uploads", "reports", "heartbeats"):
        monkeypatch.setattr(f"sheepfold.server.pipeline.{module}.now", lambda: later(seconds=60))


def ask(session: SessionFacts) -> WorkReply:
    return WorkDesk().serve_work([WorkQuery(session.token_hash, WorkRequest())])[0]


def take(session: SessionFacts) -> Lease:
    """Claim a tile that must be there."""
    reply = ask(session)
    assert reply.job is not None, reply.status
    return Lease.objects.get(token=reply.job.extras)


def send(lease: Lease, *, colour: str = "many", constant: bool = False) -> UploadStatus:
    """Upload a decodable image for a lease; images of another `colour` are other bytes."""
    (found,) = look_up([FrameUpload(lease.project_id, lease.frame, lease.token, rendertime=6)])
    if isinstance(found, Known):
        return found.status
    assert isinstance(found, Awaited)
    ref = BlobRef(f"{colour:0>64}", f"{colour:0>32}", 10, "image/png")
    image = KeptImage(ImageFacts("PNG", 64, 36, constant=constant, thumbnail=b""), ref, ref)
    return settle([Received(found, image)])[0]


def report(lease: Lease, kind: ErrorKind) -> None:
    message = ErrorReport(kind, lease.project_id, lease.frame, lease.token)
    record_reports([Report(None, message, None)])


def expire_all(now: datetime) -> int:
    return expire_due(now=now)


def test_a_tile_fails_after_three_different_machines_and_the_project_ends() -> None:
    project = make_project(tiles=1)
    for _ in range(3):
        report(take(make_session()), ErrorKind.RENDERER_CRASHED)

    assert statuses(project) == [TileStatus.FAILED]
    assert TileFailure.objects.count() == 3
    assert Project.objects.get(pk=project.pk).status == ProjectStatus.FINISHED


def test_a_machine_never_gets_a_tile_again_that_it_failed_while_another_one_may() -> None:
    make_project(tiles=1)
    failed, other = make_session(), make_session()
    report(take(failed), ErrorKind.OUT_OF_MEMORY)

    settle_retries(now=later(seconds=60))

    assert ask(failed).status == WorkStatus.NO_JOB
    assert take(other).frame == 1


def test_the_only_machine_may_try_three_times_before_the_tile_fails() -> None:
    project = make_project(tiles=1)
    session = make_session()
    for _ in range(2):
        report(take(session), ErrorKind.RENDERER_CRASHED)
        settle_retries(now=later(seconds=60))
        assert statuses(project) == [TileStatus.WAITING]
    report(take(session), ErrorKind.RENDERER_CRASHED)

    settle_retries(now=later(seconds=60))

    assert statuses(project) == [TileStatus.FAILED]


def test_a_machine_that_fails_what_others_render_for_two_owners_is_disabled_and_told_203() -> None:
    session, other = make_session(), make_session()
    for _ in range(2):
        _fail_what_another_renders(session, other)

    assert Session.objects.get(pk=session.id).status == SessionStatus.DISABLED
    assert Machine.objects.get(pk=session.machine_id).disabled_reason != ""
    assert ask(session).status == WorkStatus.SESSION_DISABLED
    assert Session.objects.get(pk=other.id).status == SessionStatus.ACTIVE


def test_scenes_of_two_owners_that_nobody_can_render_disable_nobody() -> None:
    sessions = [make_session() for _ in range(3)]
    for _ in range(2):
        project = make_project(tiles=1)
        for session in sessions:
            report(take(session), ErrorKind.RENDERER_CRASHED)
        assert statuses(project) == [TileStatus.FAILED]

    assert set(Session.objects.values_list("status", flat=True)) == {SessionStatus.ACTIVE}


def test_tiles_that_a_broken_machine_helped_to_fail_wait_again() -> None:
    broken, other = make_session(), make_session()
    doubtful = make_project(tiles=1)
    for session in (broken, make_session(), make_session()):
        report(take(session), ErrorKind.RENDERER_CRASHED)
    assert statuses(doubtful) == [TileStatus.FAILED]

    for _ in range(2):
        _fail_what_another_renders(broken, other)

    assert statuses(doubtful) == [TileStatus.WAITING]
    assert Project.objects.get(pk=doubtful.pk).status == ProjectStatus.RENDERING
    assert take(other).project_id == doubtful.pk
    assert list(Tile.objects.filter(project=doubtful).values_list("failures", flat=True)) == [2]


def _fail_what_another_renders(failing: SessionFacts, other: SessionFacts) -> None:
    """A project of a new owner, rendered by one machine; the other one fails a frame of it."""
    project = make_project(tiles=2)
    assert send(take(other)) == UploadStatus.OK
    report(take(failing), ErrorKind.RENDERER_CRASHED)
    Project.objects.filter(pk=project.pk).update(claimable=False)


def test_a_scene_that_fails_everywhere_disables_nobody() -> None:
    owner = make_user()
    session = make_session()
    for _ in range(3):
        make_project(tiles=1, owner=owner)
        report(take(session), ErrorKind.RENDERER_CRASHED)

    assert Session.objects.get(pk=session.id).status == SessionStatus.ACTIVE


@pytest.mark.parametrize("kind", [ErrorKind.KILLED_BY_SERVER, ErrorKind.DOWNLOAD_FAILED, ErrorKind.NO_DISK_SPACE])
def test_nobody_is_blamed_for_what_was_nobodys_fault(kind: ErrorKind) -> None:
    project = make_project(tiles=1)
    report(take(make_session()), kind)

    assert statuses(project) == [TileStatus.WAITING]
    assert TileFailure.objects.count() == 0


def test_a_machine_whose_user_blocked_the_project_gets_nothing_of_it() -> None:
    project = make_project(tiles=2)
    session = make_session()
    report(take(session), ErrorKind.BLOCKED_BY_USER)

    assert BlockedProject.objects.get().project_id == project.pk
    assert ask(session).status == WorkStatus.NO_JOB


def test_a_silent_session_expires_and_its_tile_waits_at_once() -> None:
    project = make_project(tiles=1)
    session = make_session(max_silence=1200)
    lease = take(session)

    assert expire_all(later(seconds=1259)) == 0
    assert expire_all(later(seconds=1261)) == 1

    assert Session.objects.get(pk=session.id).status == SessionStatus.EXPIRED
    assert Lease.objects.get(pk=lease.pk).end == LeaseEnd.EXPIRED
    assert statuses(project) == [TileStatus.WAITING]
    assert Project.objects.get(pk=project.pk).claimable is True
    assert ask(session).status == WorkStatus.SESSION_DEAD


def test_a_tile_that_takes_longer_than_its_project_allows_goes_to_another_machine() -> None:
    project = make_project(tiles=1, max_minutes_per_frame=10)
    session = make_session()
    lease = take(session)

    assert expire_all(later(minutes=10, seconds=59)) == 0
    assert expire_all(later(minutes=11, seconds=1)) == 1

    assert Lease.objects.get(pk=lease.pk).end == LeaseEnd.EXPIRED
    assert statuses(project) == [TileStatus.WAITING]
    assert TileFailure.objects.get().reason == "it took longer than one frame may take"


def test_a_late_result_is_taken_while_its_tile_still_waits() -> None:
    project = make_project(tiles=1)
    lease = take(make_session())
    expire_all(later(hours=1))

    assert send(lease) == UploadStatus.OK

    assert statuses(project) == [TileStatus.DONE]
    assert Result.objects.get().verdict == Verdict.ACCEPTED
    assert PointsEntry.objects.count() == 2


def test_a_late_result_is_discarded_and_counted_when_another_machine_has_the_tile() -> None:
    make_project(tiles=1)
    late = take(make_session())
    expire_all(later(hours=1))
    current = take(make_session(now=later(seconds=30)))

    assert send(late) == UploadStatus.OK
    assert send(current) == UploadStatus.OK

    verdicts = dict(Result.objects.values_list("lease_token", "verdict"))
    assert verdicts == {late.token: Verdict.LATE, current.token: Verdict.ACCEPTED}
    assert PointsEntry.objects.count() == 2


def test_an_image_of_one_colour_is_refused_where_other_machines_frames_are_not() -> None:
    project = make_project(tiles=2)
    send(take(make_session()))
    lease = take(make_session())

    assert send(lease, colour="black", constant=True) == UploadStatus.BROKEN_MACHINE

    assert statuses(project) == [TileStatus.DONE, TileStatus.WAITING]
    assert Lease.objects.get(pk=lease.pk).end == LeaseEnd.REJECTED
    assert TileFailure.objects.get().machine_id == lease.machine_id


def test_two_machines_that_agree_on_one_colour_are_both_right() -> None:
    project = make_project(tiles=2)
    send(take(make_session()))
    send(take(make_session()), colour="black", constant=True)

    assert send(take(make_session()), colour="black", constant=True) == UploadStatus.OK

    assert statuses(project) == [TileStatus.DONE, TileStatus.DONE]
    assert TileFailure.objects.count() == 0


def test_one_machine_alone_may_send_frames_of_one_colour() -> None:
    project = make_project(tiles=2)
    session = make_session()
    send(take(session))

    assert send(take(session), colour="black", constant=True) == UploadStatus.OK
    assert statuses(project) == [TileStatus.DONE, TileStatus.DONE]


def test_a_claim_and_a_lease_end_that_crossed_leave_no_project_closed() -> None:
    project = make_project(tiles=1, claimable=False)

    reopen_projects()

    assert Project.objects.get(pk=project.pk).claimable is True


def test_a_client_that_keeps_asking_without_a_result_has_failed_the_tile() -> None:
    project = make_project(tiles=1)
    session = make_session()
    first = take(session)
    assert [take(session).token, take(session).token] == [first.token, first.token]

    assert ask(session).status == WorkStatus.NO_JOB

    assert Lease.objects.get(pk=first.pk).end == LeaseEnd.ERRORED
    assert statuses(project) == [TileStatus.WAITING]
    assert Tile.objects.get().failures == 1


def test_a_tile_that_renders_without_a_lease_waits_again_and_one_with_a_lease_goes_on() -> None:
    project = make_project(tiles=2)
    take(make_session())
    Tile.objects.filter(project=project, frame=2).update(status=TileStatus.RENDERING)
    Project.objects.filter(pk=project.pk).update(claimable=False)

    assert recover_tiles(now=later(minutes=5)) == 1

    assert statuses(project) == [TileStatus.RENDERING, TileStatus.WAITING]
    assert Project.objects.get(pk=project.pk).claimable is True
