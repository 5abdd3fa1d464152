"""Frames that a client forgot without a word: their tiles come back although its session lives on."""

from datetime import datetime

import pytest

from sheepfold.protocol.codes import UploadStatus
from sheepfold.protocol.messages import FrameUpload, Heartbeat, WorkRequest
from sheepfold.server.accounts.secrets import hash_secret
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileFailure, TileStatus
from sheepfold.server.machines.models import Session
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.farm_facts import FarmFacts
from sheepfold.server.pipeline.heartbeats import Beat, HeartbeatDesk, expire_due
from sheepfold.server.pipeline.uploads import Awaited, Known, Received, look_up, settle
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery
from sheepfold.server.results.checks import ImageFacts, NotAnImage
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.models import Result, Verdict
from tests.server.farm import later, make_project, make_session_with_token, statuses

pytestmark = pytest.mark.django_db

REF = BlobRef("0" * 64, "0" * 32, 10, "image/png")
IMAGE = KeptImage(ImageFacts("PNG", 64, 36, constant=False, thumbnail=b""), REF, REF)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    return Clock(monkeypatch)


class Clock:
    """The pipeline's time, in minutes after noon."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moment: datetime = later()
        for module in ("work", "uploads", "heartbeats"):
            monkeypatch.setattr(f"sheepfold.server.pipeline.{module}.now", lambda: self.moment)

    def set(self, minutes: float) -> datetime:
        """Go on to this time; the timers run."""
        self.moment = later(minutes=minutes)
        expire_due(now=self.moment)
        return self.moment


@pytest.fixture
def session() -> SessionFacts:
    """Of a client since 2020, which is heard of all the time."""
    session, token = make_session_with_token(max_leases=3, max_silence=86400)
    assert session.token_hash == hash_secret(token)
    return session


def ask(session: SessionFacts) -> str | None:
    reply = WorkDesk().serve_work([WorkQuery(session.token_hash, WorkRequest())])[0]
    return reply.job.extras if reply.job else None


def test_a_tile_that_its_machine_left_behind_comes_back(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=2)
    clock.set(0)
    ask(session)
    clock.set(5)
    ask(session)

    clock.set(19)
    assert statuses(project) == [TileStatus.RENDERING, TileStatus.RENDERING]
    clock.set(21)

    assert statuses(project) == [TileStatus.WAITING, TileStatus.RENDERING]
    assert list(Lease.objects.order_by("id").values_list("end", flat=True)) == [LeaseEnd.EXPIRED, LeaseEnd.OPEN]
    assert TileFailure.objects.count() == 0
    assert Session.objects.get().status == "active"


def test_the_last_tile_comes_back_when_there_was_nothing_else_to_do(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=1)
    clock.set(0)
    ask(session)
    clock.set(5)
    assert ask(session) is None

    clock.set(21)

    assert statuses(project) == [TileStatus.WAITING]


def test_a_long_frame_is_left_alone_while_nothing_else_is_asked_for(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=1)
    clock.set(0)
    ask(session)

    clock.set(300)

    assert statuses(project) == [TileStatus.RENDERING]


def test_a_machine_that_still_renders_it_keeps_it(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=2)
    clock.set(0)
    token = ask(session)
    ask(session)
    clock.set(10)
    beat = Heartbeat(job=project.pk, frame=1, extras=token, rendertime=600, remainingtime=60)
    HeartbeatDesk(FarmFacts()).serve([Beat(session.token_hash, beat)])

    clock.set(30)

    assert statuses(project) == [TileStatus.RENDERING, TileStatus.RENDERING]


def test_a_result_that_comes_after_all_is_taken(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=2)
    clock.set(0)
    token = ask(session)
    ask(session)
    clock.set(16)
    assert statuses(project)[0] == TileStatus.WAITING

    (found,) = look_up([FrameUpload(project.pk, 1, token or "", rendertime=6)])
    assert isinstance(found, Awaited)

    assert settle([Received(found, IMAGE)]) == [UploadStatus.OK]
    assert statuses(project)[0] == TileStatus.DONE


def test_a_result_that_somebody_else_has_sent_is_counted_once_and_not_looked_into(
    clock: Clock, session: SessionFacts
) -> None:
    project = make_project(tiles=1)
    clock.set(0)
    token = ask(session)
    clock.set(1441)
    faster, _ = make_session_with_token(now=clock.moment)
    ask(faster)
    (awaited,) = look_up([FrameUpload(project.pk, 1, Lease.objects.get(session=faster.id).token, rendertime=6)])
    assert isinstance(awaited, Awaited)
    settle([Received(awaited, IMAGE)])
    late = FrameUpload(project.pk, 1, token or "", rendertime=6)

    answers = [look_up([late]), look_up([late])]

    assert answers == [[Known(UploadStatus.OK)]] * 2
    assert list(Result.objects.order_by("id").values_list("verdict", flat=True)) == [Verdict.ACCEPTED, Verdict.LATE]


def test_a_bad_result_is_still_bad_after_somebody_else_has_sent_a_good_one(clock: Clock, session: SessionFacts) -> None:
    project = make_project(tiles=1)
    clock.set(0)
    bad = FrameUpload(project.pk, 1, ask(session) or "", rendertime=6)
    (refused,) = look_up([bad])
    assert isinstance(refused, Awaited)
    assert settle([Received(refused, NotAnImage("no"))]) == [UploadStatus.NOT_AN_IMAGE]
    other, _ = make_session_with_token(now=clock.moment)
    ask(other)
    (awaited,) = look_up([FrameUpload(project.pk, 1, Lease.objects.get(session=other.id).token, rendertime=6)])
    assert isinstance(awaited, Awaited)
    settle([Received(awaited, IMAGE)])

    assert look_up([bad]) == [Known(UploadStatus.NOT_AN_IMAGE)]
