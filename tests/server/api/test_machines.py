"""The machines of whoever asks."""

import pytest

from sheepfold.server.core.clock import now
from sheepfold.server.machines.models import Machine, Session, SessionStatus, StopWish
from tests.server.api.conftest import Program
from tests.server.farm import later, make_session

pytestmark = pytest.mark.django_db


def test_machines_come_with_their_last_sign_of_life_the_latest_first(program: Program) -> None:
    quiet, lively = (make_session(user=program.user) for _ in range(2))
    Session.objects.filter(pk=quiet.id).update(heard_at=later(hours=1), status=SessionStatus.ENDED)
    Session.objects.filter(pk=lively.id).update(heard_at=later(hours=2), expires_at=later(days=900))
    Machine.objects.filter(pk=quiet.machine_id).update(seen_at=now())
    new = Machine.objects.create(user=program.user, fingerprint="new", name="new", os="linux", bits=64)
    make_session()  # of somebody else

    status, machines = program.get("machines")

    assert status == 200
    assert [(one["id"], one["connected"], one["seen_at"]) for one in machines] == [
        (lively.machine_id, True, "2026-06-01T14:00:00Z"),
        (quiet.machine_id, False, "2026-06-01T13:00:00Z"),
        (new.pk, False, None),
    ]


def test_a_machine_that_is_to_stop_says_so(program: Program) -> None:
    session = make_session(user=program.user)
    Machine.objects.filter(pk=session.machine_id).update(wish=StopWish.AFTER_FRAME)

    assert [one["stop"] for one in program.get("machines")[1]] == ["stop-after-frame"]
