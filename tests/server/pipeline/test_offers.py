"""What a job request says about its machine is kept, and written only when it really changes."""

import pytest

from sheepfold.protocol.codes import ComputeMethod
from sheepfold.protocol.messages import WorkRequest
from sheepfold.server.core.clock import now
from sheepfold.server.machines.models import Machine, Session
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery
from tests.server.farm import make_session

pytestmark = pytest.mark.django_db

GIB = 1 << 20  # in KiB


@pytest.fixture
def session() -> SessionFacts:
    return make_session(now=now())


def ask(session: SessionFacts, request: WorkRequest) -> None:
    WorkDesk().serve_work([WorkQuery(session.token_hash, request)])


def known(session: SessionFacts) -> tuple[int, int | None, int | None, str]:
    row = Session.objects.select_related("machine").get(pk=session.id)
    return row.compute_method, row.cores, row.ram_max_kib, row.machine.gpu_name


def test_offer_of_a_machine_is_kept(session: SessionFacts) -> None:
    ask(session, WorkRequest(ComputeMethod.GPU, cpu_cores=6, ram_max_kib=8 * GIB, gpu_model="RTX 3060"))

    assert known(session) == (ComputeMethod.GPU, 6, 8 * GIB, "RTX 3060")


def test_gpu_that_is_offered_no_more_is_gone(session: SessionFacts) -> None:
    ask(session, WorkRequest(ComputeMethod.GPU, gpu_model="RTX 3060"))
    ask(session, WorkRequest(ComputeMethod.CPU))

    assert known(session) == (ComputeMethod.CPU, None, None, "")
    assert Machine.objects.count() == 1


@pytest.mark.parametrize(
    ("then", "kept"),
    [(15 * GIB, 16 * GIB), (17 * GIB, 16 * GIB), (8 * GIB, 8 * GIB), (32 * GIB, 32 * GIB), (None, None)],
)
def test_memory_is_written_only_when_it_really_changes(session: SessionFacts, then: int | None, kept: int) -> None:
    ask(session, WorkRequest(ram_max_kib=16 * GIB))
    ask(session, WorkRequest(ram_max_kib=then))

    assert known(session)[2] == kept


def test_name_of_any_length_fits(session: SessionFacts) -> None:
    ask(session, WorkRequest(gpu_model="x" * 255))

    assert known(session)[3] == "x" * 200
