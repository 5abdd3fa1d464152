"""Test frames: machines show that they render rightly and how fast, each device by itself, before they get work."""

import io
from collections.abc import Iterator
from importlib.resources import files

import pytest
from PIL import Image, ImageEnhance

from sheepfold.protocol.codes import ComputeMethod, ErrorKind, UploadStatus, WorkStatus
from sheepfold.protocol.messages import ErrorReport, FrameUpload, WorkRequest
from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import Conflict
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.core.switches import FarmSwitch, set_switch
from sheepfold.server.dispatch.models import Lease
from sheepfold.server.machines.actions import enable_machine, record_power
from sheepfold.server.machines.models import Device, Machine
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline import trials
from sheepfold.server.pipeline.reports import Report, record_reports
from sheepfold.server.pipeline.trials import REFERENCE_SECONDS, TRIAL_PROJECT
from sheepfold.server.pipeline.uploads import Awaited, Received, look_up, settle
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery, WorkReply
from sheepfold.server.projects.models import Project
from sheepfold.server.results.checks import ImageFacts
from sheepfold.server.results.keeping import KeptImage
from tests.server.farm import make_project, make_renderer, make_session

pytestmark = pytest.mark.django_db

CPU, GPU = WorkRequest(ComputeMethod.CPU), WorkRequest(ComputeMethod.GPU, gpu_model="RTX 3060")
BOTH = WorkRequest(ComputeMethod.CPU_OR_GPU, gpu_model="RTX 3060")


@pytest.fixture(autouse=True)
def tests_wanted() -> Iterator[None]:
    """A farm with Blender and a waiting project, which tests its machines."""
    make_renderer()
    trials.set_up()
    set_switch(switch=FarmSwitch.TEST_MACHINES, on=True)
    yield
    set_switch(switch=FarmSwitch.TEST_MACHINES, on=False)


@pytest.fixture
def project() -> Project:
    return make_project(use_gpu=True)


@pytest.fixture
def session() -> SessionFacts:
    return make_session(now=now(), max_leases=2)


def ask(session: SessionFacts, request: WorkRequest = CPU) -> WorkReply:
    return WorkDesk().serve_work([WorkQuery(session.token_hash, request)])[0]


def reference() -> Image.Image:
    path = files("sheepfold.server.pipeline").joinpath("trial_data", "reference.png")
    return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")


def send(reply: WorkReply, image: Image.Image, rendertime: float = 8.0) -> UploadStatus:
    """The picture, as the farm would have decoded it, from a machine that had its tile for an hour."""
    assert reply.job is not None
    lease = Lease.objects.get(token=reply.job.extras)
    Lease.objects.filter(pk=lease.pk).update(started_at=lease.started_at.replace(year=2020))
    (found,) = look_up([FrameUpload(reply.job.id, reply.job.frame, lease.token, rendertime=rendertime)])
    assert isinstance(found, Awaited)
    thumbnail = io.BytesIO()
    image.save(thumbnail, "WEBP", quality=80)
    facts = ImageFacts("PNG", *image.size, constant=False, thumbnail=thumbnail.getvalue())
    ref = BlobRef(f"{lease.pk:064}", f"{lease.pk:032}", 10, "image/png")
    return settle([Received(found, KeptImage(facts, ref, ref))])[0]


def powers(session: SessionFacts) -> tuple[float | None, float | None]:
    return Machine.objects.values_list("cpu_power", "gpu_power").get(pk=session.machine_id)


def test_machine_gets_work_when_its_test_frame_is_right(session: SessionFacts, project: Project) -> None:
    test = ask(session)
    assert test.job is not None
    assert (test.job.id, test.job.use_gpu, test.job.path) == (TRIAL_PROJECT, False, "scene.blend")

    assert send(test, reference(), rendertime=2 * REFERENCE_SECONDS) == UploadStatus.OK

    assert powers(session) == (50.0, None)
    work = ask(session)
    assert work.job is not None
    assert work.job.id == project.pk


def test_processor_and_gpu_are_tested_apart(session: SessionFacts, project: Project) -> None:
    first = ask(session, BOTH)
    send(first, reference(), rendertime=REFERENCE_SECONDS)
    second = ask(session, BOTH)
    assert [one.job and (one.job.id, one.job.use_gpu) for one in (first, second)] == [(1, False), (1, True)]
    send(second, reference(), rendertime=REFERENCE_SECONDS / 10)

    assert powers(session) == (100.0, 1000.0)
    work = ask(session, BOTH)
    assert work.job is not None
    assert work.job.id == project.pk


def test_machine_that_offers_its_gpu_alone_is_tested_on_it_alone(session: SessionFacts, project: Project) -> None:
    test = ask(session, GPU)
    assert test.job is not None
    assert (test.job.id, test.job.use_gpu) == (TRIAL_PROJECT, True)

    send(test, reference())

    work = ask(session, GPU)
    assert work.job is not None
    assert work.job.id == project.pk


def test_no_work_while_the_test_frame_is_on_its_way(session: SessionFacts, project: Project) -> None:
    ask(session)

    assert ask(session).status == WorkStatus.NO_JOB
    assert Lease.objects.count() == 1


def brighter() -> Image.Image:
    return ImageEnhance.Brightness(reference()).enhance(1.5)


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (320, 180)), reference().rotate(180), brighter(), Image.new("RGB", (320, 180), "white")],
    ids=["black", "upside down", "brighter", "white"],
)
def test_machine_with_wrong_pictures_is_disabled_after_two(
    session: SessionFacts, project: Project, image: Image.Image
) -> None:
    assert [send(ask(session), image) for _ in range(2)] == [UploadStatus.BROKEN_MACHINE] * 2

    assert ask(session).status == WorkStatus.SESSION_DISABLED
    assert Machine.objects.get(pk=session.machine_id).disabled_reason.startswith("its test frames failed")
    assert powers(session) == (None, None)
    assert not Lease.objects.filter(project_id=project.pk).exists()


def test_noise_and_another_device_make_no_wrong_picture(session: SessionFacts) -> None:
    grainy = Image.effect_noise((320, 180), 16).convert("RGB")
    image = Image.blend(reference(), Image.blend(reference(), grainy, 0.5), 0.15)

    assert send(ask(session), image) == UploadStatus.OK


def test_disabled_machine_may_try_again_when_an_admin_enables_it(session: SessionFacts, project: Project) -> None:
    for _ in range(2):
        report_crash(ask(session))
    assert ask(session).status == WorkStatus.SESSION_DISABLED

    enable_machine(machine_id=session.machine_id)

    test = ask(session)
    assert test.job is not None
    assert send(test, reference()) == UploadStatus.OK
    work = ask(session)
    assert work.job is not None
    assert work.job.id == project.pk


def report_crash(reply: WorkReply) -> None:
    assert reply.job is not None
    assert reply.job.id == TRIAL_PROJECT
    message = ErrorReport(ErrorKind.RENDERER_CRASHED, reply.job.id, reply.job.frame, reply.job.extras)
    record_reports([Report(None, message, None)])


def test_nothing_is_tested_when_the_switch_is_off(session: SessionFacts, project: Project) -> None:
    set_switch(switch=FarmSwitch.TEST_MACHINES, on=False)

    work = ask(session)

    assert work.job is not None
    assert work.job.id == project.pk


def test_machine_for_which_there_is_no_blender_is_told_so(project: Project) -> None:
    assert ask(make_session(now=now(), os="windows")).status == WorkStatus.NO_RENDERER


@pytest.mark.parametrize(("wanted", "status"), [(0, WorkStatus.OK), (50, WorkStatus.OK), (51, WorkStatus.NO_JOB)])
def test_project_may_want_powerful_machines(session: SessionFacts, wanted: int, status: WorkStatus) -> None:
    make_project(min_power=wanted)
    record_power(machine_id=session.machine_id, device=Device.CPU, power=50.0)

    assert ask(session).status == status


def test_power_of_the_device_that_would_render_counts(session: SessionFacts) -> None:
    make_project(min_power=100, use_gpu=True)
    record_power(machine_id=session.machine_id, device=Device.CPU, power=50.0)
    record_power(machine_id=session.machine_id, device=Device.GPU, power=900.0)

    assert ask(session, CPU).status == WorkStatus.NO_JOB
    assert ask(session, BOTH).status == WorkStatus.OK


def test_farm_without_blender_cannot_test_machines() -> None:
    Project.objects.all().delete()
    make_renderer().delete()

    with pytest.raises(Conflict, match="no Blender yet"):
        trials.set_up()

    assert Project.objects.count() == 0


def test_setting_up_twice_changes_nothing_but_the_renderer() -> None:
    before = Project.objects.values().get(pk=TRIAL_PROJECT)

    trials.set_up()

    assert Project.objects.values().get(pk=TRIAL_PROJECT) == before
