"""Signs of life: they keep a session, note progress and stop what is no longer wanted."""

from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sheepfold.protocol.codes import HeartbeatStatus
from sheepfold.protocol.messages import Heartbeat
from sheepfold.server.dispatch.actions import end_each
from sheepfold.server.dispatch.claims import Claim, Grant, claim
from sheepfold.server.dispatch.eligibility import Offer
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.picture import PictureBook
from sheepfold.server.machines.models import Session
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.farm_facts import FarmFacts
from sheepfold.server.pipeline.heartbeats import Beat, HeartbeatDesk
from tests.server.farm import NOON, later, make_project, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheepfold.server.pipeline.heartbeats.now", lambda: later(seconds=600))


def take(session: SessionFacts) -> Lease:
    (outcome,) = claim([Claim(session, Offer())], book=PictureBook(), now=NOON)
    assert isinstance(outcome, Grant)
    return Lease.objects.get(pk=outcome.lease.id)


def beat(session: SessionFacts | None, lease: Lease | None = None, token: bool = True, **said: int) -> Beat:
    message = Heartbeat(
        job=lease.project_id if lease else None,
        frame=lease.frame if lease else None,
        extras=lease.token if lease and token else None,
        rendertime=said.get("rendertime"),
        remainingtime=said.get("remainingtime"),
    )
    return Beat(session.token_hash if session else None, message)


def serve(beats: Sequence[Beat]) -> list[HeartbeatStatus]:
    return [pulse.status for pulse in HeartbeatDesk(FarmFacts()).serve(beats)]


def test_a_heartbeat_keeps_the_session_and_notes_the_progress() -> None:
    make_project(tiles=1)
    session = make_session(max_silence=1200)
    lease = take(session)

    assert serve([beat(session, lease, rendertime=30, remainingtime=90)]) == [HeartbeatStatus.OK]

    lease.refresh_from_db()
    assert (lease.begun, lease.rendertime, lease.remainingtime) == (True, 30, 90)
    assert Session.objects.get(pk=session.id).expires_at == later(seconds=1800)


def test_what_a_heartbeat_does_not_say_stays_known() -> None:
    make_project(tiles=1)
    session = make_session()
    lease = take(session)
    serve([beat(session, lease, rendertime=30, remainingtime=90)])

    serve([beat(session, lease, rendertime=40)])

    lease.refresh_from_db()
    assert (lease.rendertime, lease.remainingtime) == (40, 90)


def test_a_client_that_sends_no_token_is_known_by_session_job_and_frame() -> None:
    make_project(tiles=1)
    session = make_session()
    lease = take(session)

    assert serve([beat(session, lease, token=False, rendertime=5)]) == [HeartbeatStatus.OK]
    lease.refresh_from_db()
    assert lease.rendertime == 5


def test_a_lease_that_ended_is_stopped_and_keeps_what_it_was() -> None:
    make_project(tiles=1)
    session = make_session()
    lease = take(session)
    end_each(lease_ids=[lease.pk], end=LeaseEnd.CANCELLED, now=NOON)

    assert serve([beat(session, lease, rendertime=30)]) == [HeartbeatStatus.STOP]
    lease.refresh_from_db()
    assert (lease.begun, lease.rendertime) == (False, 0)


def test_without_a_tile_or_a_session_there_is_nothing_to_stop() -> None:
    assert serve([beat(make_session()), beat(None)]) == [HeartbeatStatus.OK, HeartbeatStatus.OK]


@pytest.mark.parametrize("group", [1, 20])
def test_a_group_of_heartbeats_takes_the_statements_of_one(group: int) -> None:
    make_project(tiles=20)
    sessions = [make_session() for _ in range(group)]
    beats = [beat(session, take(session), rendertime=1, remainingtime=1) for session in sessions]

    with CaptureQueriesContext(connection) as queries:
        assert serve(beats) == [HeartbeatStatus.OK] * group

    assert len(queries) == 6
