"""A machine's owner steers it from the site: what it is told, what becomes of its tiles, what the farm notes."""

from datetime import datetime

import pytest

from sheepfold.protocol.codes import HeartbeatStatus, OwnerWish, WorkStatus
from sheepfold.protocol.messages import Heartbeat, SessionRequest, WorkRequest
from sheepfold.protocol.params import decode_session_request
from sheepfold.server.core.models import Event
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines import actions
from sheepfold.server.machines.models import BlockedProject, Machine, Session, SessionStatus, StopWish
from sheepfold.server.machines.queries import SessionFacts, live_machine_ids, sessions_of_tokens
from sheepfold.server.pipeline.farm_facts import FarmFacts
from sheepfold.server.pipeline.heartbeats import Beat, HeartbeatDesk, Pulse, expire_due
from sheepfold.server.pipeline.logins import Admission, LoginAttempt, log_out, open_sessions
from sheepfold.server.pipeline.steering import block_project
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery, WorkReply
from tests.server.farm import NOON, later, make_project, make_session, make_user, statuses
from tests.server.node_api.machine import HARDWARE

pytestmark = pytest.mark.django_db


class Clock:
    """The farm's time."""

    moment: datetime = NOON


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("heartbeats", "work", "logins"):
        monkeypatch.setattr(f"sheepfold.server.pipeline.{module}.now", lambda: clock.moment)
    return clock


def steered(version: int = 2) -> SessionFacts:
    """A session of Sheepfold's client."""
    session = make_session(max_silence=180)
    Session.objects.filter(pk=session.id).update(own_protocol=version, generation="sheepfold")
    return again(session)


def again(session: SessionFacts) -> SessionFacts:
    return sessions_of_tokens([session.token_hash])[session.token_hash]


def beat(session: SessionFacts, wish: OwnerWish | None = None, lease: Lease | None = None) -> Pulse:
    job, frame, token = (lease.project_id, lease.frame, lease.token) if lease else (None, None, None)
    (pulse,) = HeartbeatDesk(FarmFacts()).serve([Beat(session.token_hash, Heartbeat(job, frame, token, wish=wish))])
    return pulse


def ask(session: SessionFacts, *held: str) -> WorkReply:
    (reply,) = WorkDesk().serve_work([WorkQuery(session.token_hash, WorkRequest(open_tokens=held))])
    return reply


def take(session: SessionFacts) -> Lease:
    job = ask(session).job
    assert job is not None
    return Lease.objects.get(token=job.extras)


def wish_of(session: SessionFacts) -> StopWish:
    return StopWish(Machine.objects.get(pk=session.machine_id).wish)


def test_each_answer_tells_what_the_owner_wants() -> None:
    make_project(tiles=3)
    session = steered()
    assert (beat(session), ask(session).wish) == (Pulse(HeartbeatStatus.OK, OwnerWish.RUN, 5), OwnerWish.RUN)

    actions.pause_machine(machine_id=session.machine_id)

    assert beat(session) == Pulse(HeartbeatStatus.OK, OwnerWish.PAUSE, 5)
    reply = ask(session)
    assert (reply.status, reply.wish, reply.wait_seconds) == (WorkStatus.NO_JOB, OwnerWish.PAUSE, 5)


@pytest.mark.parametrize("version", [0, 1])
def test_other_clients_are_told_nothing_new(version: int) -> None:
    make_project(tiles=3)
    session = steered(version)
    actions.pause_machine(machine_id=session.machine_id)

    assert beat(session) == Pulse(HeartbeatStatus.OK)
    assert (ask(session).status, ask(session).wish) == (WorkStatus.NO_JOB, None)


@pytest.mark.parametrize("wish", [StopWish.AFTER_FRAME, StopWish.NOW])
def test_a_machine_that_is_to_stop_is_told_and_gets_no_more_work(wish: StopWish) -> None:
    make_project(tiles=3)
    session = steered()
    lease = take(session)

    assert actions.stop_machine(machine_id=session.machine_id, wish=wish)

    assert beat(session, lease=lease) == Pulse(HeartbeatStatus.OK, OwnerWish(wish), 5)
    reply = ask(session)
    assert (reply.status, reply.job, reply.wish) == (WorkStatus.NO_JOB, None, OwnerWish(wish))
    assert live_machine_ids() == set()


def test_large_farm_wants_fewer_signs_of_life_but_not_fewer_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = steered()
    monkeypatch.setattr(FarmFacts, "wait_seconds", lambda self: 1000)

    assert beat(session).wait_seconds == 60


@pytest.mark.parametrize("version", [0, 1])
def test_a_client_that_cannot_be_told_is_not_stopped(version: int) -> None:
    session = steered(version)

    assert not actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)
    assert wish_of(session) is StopWish.NONE


def test_a_machine_without_a_client_is_not_stopped() -> None:
    session = steered()
    log_out([session.token_hash])

    assert not actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)
    assert wish_of(session) is StopWish.NONE


def test_a_stop_that_is_taken_back_is_told_at_once() -> None:
    make_project(tiles=3)
    session = steered()
    actions.stop_machine(machine_id=session.machine_id, wish=StopWish.AFTER_FRAME)

    assert actions.withdraw_stop(machine_id=session.machine_id)

    assert beat(session).wish is OwnerWish.RUN
    assert ask(session).status is WorkStatus.OK
    assert not actions.withdraw_stop(machine_id=session.machine_id)


def test_the_farm_notes_what_the_client_obeys_and_tells_the_pages_once() -> None:
    session = steered()

    beat(session, OwnerWish.STOP_AFTER_FRAME)
    beat(session, OwnerWish.STOP_AFTER_FRAME)

    assert Session.objects.get(pk=session.id).obeys == "stop-after-frame"
    assert Event.objects.filter(topic="machines", kind="obeys", reference=str(session.machine_id)).count() == 1


def test_a_stop_is_done_when_the_last_session_of_the_machine_has_ended() -> None:
    make_project(tiles=3)
    session = steered()
    second, _ = actions.open_session(
        machine=Machine.objects.get(pk=session.machine_id),
        key=None,
        terms=actions.SessionTerms("sheepfold", "1", 2, 180, 1),
        now=NOON,
    )
    lease = take(session)
    actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)

    log_out([session.token_hash])
    assert wish_of(session) is StopWish.NOW
    lease.refresh_from_db()
    assert lease.end == LeaseEnd.EXPIRED, "its tile waits for another machine at once"

    log_out([second.token_hash])
    assert wish_of(session) is StopWish.STOPPED


def test_a_logout_without_a_wish_leaves_none() -> None:
    session = steered()
    log_out([session.token_hash])
    assert wish_of(session) is StopWish.NONE


def test_a_stopped_machine_that_comes_again_works_again() -> None:
    make_project(tiles=3)
    session = steered()
    actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)
    log_out([session.token_hash])
    machine = Machine.objects.get(pk=session.machine_id)

    terms = actions.SessionTerms("sheepfold", "1", 2, 180, 1)
    session_row, _ = actions.open_session(machine=machine, key=None, terms=terms, now=NOON)

    facts = sessions_of_tokens([session_row.token_hash])[session_row.token_hash]
    assert (wish_of(session), facts.wish) == (StopWish.NONE, OwnerWish.RUN)
    assert ask(facts).status is WorkStatus.OK


def test_a_stop_waits_for_a_machine_that_went_silent_before_it_obeyed(clock: Clock) -> None:
    session = steered()
    actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)
    expire_due(now=later(seconds=181))
    assert wish_of(session) is StopWish.NOW


def test_a_client_that_obeyed_and_could_not_log_out_has_stopped(clock: Clock) -> None:
    session = steered()
    actions.stop_machine(machine_id=session.machine_id, wish=StopWish.NOW)
    beat(session, OwnerWish.STOP_NOW)
    expire_due(now=later(seconds=181))
    assert wish_of(session) is StopWish.STOPPED


def test_a_blocked_project_is_dropped_now_and_never_given_again() -> None:
    project = make_project(tiles=3)
    session = steered()
    lease = take(session)

    block_project(machine_id=session.machine_id, project_id=project.pk, now=NOON)

    assert beat(session, lease=lease).status is HeartbeatStatus.STOP
    lease.refresh_from_db()
    assert lease.end == LeaseEnd.CANCELLED
    assert statuses(project) == [TileStatus.WAITING] * 3
    assert ask(session).status is WorkStatus.NO_JOB
    assert ask(steered()).status is WorkStatus.OK, "other machines get it"


def test_a_project_that_is_allowed_again_is_given_again() -> None:
    project = make_project(tiles=3)
    session = steered()
    block_project(machine_id=session.machine_id, project_id=project.pk, now=NOON)

    actions.allow_project(machine_id=session.machine_id, project_id=project.pk)

    assert ask(session).status is WorkStatus.OK


def test_a_tile_that_was_claimed_while_its_project_was_being_blocked_is_dropped_at_the_next_sign_of_life() -> None:
    project = make_project(tiles=1)
    session = steered()
    lease = take(session)
    BlockedProject.objects.create(machine_id=session.machine_id, project=project)

    assert beat(session, lease=lease).status is HeartbeatStatus.STOP
    assert statuses(project) == [TileStatus.WAITING]


LOGIN = {"login": "shepherd", "password": "secret"}


def start(user_id: int, run: str, instance: str = "folder", **more: str) -> SessionFacts:
    """A client logs in."""
    extras = f"sheepfold/2 heartbeat=60 leases=3 instance={instance} run={run}"
    request: SessionRequest = decode_session_request({**HARDWARE, **LOGIN, "extras": extras, **more})
    attempt = LoginAttempt(request, "127.0.0.1", "sheepfold", 3)
    before = set(Session.objects.values_list("id", flat=True))
    open_sessions([Admission(attempt, user_id, None)])
    (row,) = Session.objects.exclude(pk__in=before)
    return sessions_of_tokens([row.token_hash])[row.token_hash]


def test_a_client_that_was_killed_gets_its_tiles_freed_when_it_starts_again() -> None:
    project = make_project(tiles=3)
    user = make_user("shepherd")
    first = start(user.pk, "one")
    lost, kept = take(first), Lease.objects.get(token=ask(first, Lease.objects.get().token).job.extras)  # type: ignore[union-attr]

    second = start(user.pk, "two", open_leases=kept.token)

    assert Session.objects.get(pk=first.id).status == SessionStatus.ENDED
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.end, lost.session_id) == (LeaseEnd.EXPIRED, first.id)
    assert (kept.end, kept.session_id) == (LeaseEnd.OPEN, second.id), "its frame waits in the client's outbox"
    assert statuses(project) == [TileStatus.WAITING, TileStatus.RENDERING, TileStatus.WAITING]


def test_a_lease_of_somebody_else_is_not_handed_over() -> None:
    make_project(tiles=3)
    other = take(steered())
    user = make_user("shepherd")
    start(user.pk, "one")
    start(user.pk, "two", open_leases=other.token)
    before = other.session_id
    other.refresh_from_db()
    assert (other.session_id, other.end) == (before, LeaseEnd.OPEN)


@pytest.mark.parametrize(
    ("instance", "run"), [("folder", "one"), ("another", "two")], ids=["another device", "another client"]
)
def test_other_clients_and_devices_of_a_machine_go_on(instance: str, run: str) -> None:
    make_project(tiles=3)
    user = make_user("shepherd")
    first = start(user.pk, "one")
    lease = take(first)

    second = start(user.pk, run, instance)

    assert second.machine_id == first.machine_id
    assert Session.objects.get(pk=first.id).status == SessionStatus.ACTIVE
    lease.refresh_from_db()
    assert lease.end == LeaseEnd.OPEN


def test_a_client_that_names_no_folder_ends_nobody() -> None:
    user = make_user("shepherd")
    first = start(user.pk, "one", extras="sheepfold/1 heartbeat=60 leases=3")
    start(user.pk, "two", extras="sheepfold/1 heartbeat=60 leases=3")
    assert Session.objects.get(pk=first.id).status == SessionStatus.ACTIVE


def test_the_same_folder_of_another_person_ends_nobody() -> None:
    first = start(make_user("shepherd").pk, "one")
    start(make_user("stranger").pk, "two")
    assert Session.objects.get(pk=first.id).status == SessionStatus.ACTIVE
