"""Frames are rendered again elsewhere: who is asked, what agreement and disagreement lead to, and who pays."""

import io
from collections.abc import Callable
from random import Random

import numpy
import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from PIL import Image

from sheepfold.protocol.codes import ComputeMethod, ErrorKind, UploadStatus, WorkStatus
from sheepfold.protocol.messages import ErrorReport, FrameUpload, WorkRequest
from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import ServerConfig, Verify
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.machines.actions import enable_machine, end_session
from sheepfold.server.machines.models import Machine
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline import steps, verifying
from sheepfold.server.pipeline.endings import free_leases
from sheepfold.server.pipeline.heartbeats import expire_due
from sheepfold.server.pipeline.reports import Report, record_reports
from sheepfold.server.pipeline.sampling import PATIENCE, drop_stale, sample_results
from sheepfold.server.pipeline.uploads import Awaited, Known, Received, look_up, settle
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery, WorkReply
from sheepfold.server.projects.actions import purge
from sheepfold.server.projects.models import Project, ProjectStatus, Visibility
from sheepfold.server.results.checks import ImageFacts
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.models import (
    PointsEntry,
    Reputation,
    Result,
    Verdict,
    Verification,
    VerificationStatus,
    Vote,
)
from sheepfold.server.results.queries import balance
from sheepfold.server.results.trust import TRUSTED
from tests.server.farm import make_project, make_session, make_user, statuses

pytestmark = pytest.mark.django_db

ALWAYS = Random()
ALWAYS.random = lambda: 0.0  # type: ignore[method-assign]  chance picks every frame that it may pick
WRONG, OTHER = 90, 180  # shades that are not what the frame shows


class Farm:
    """A project of one owner, and machines of others."""

    def __init__(self, machines: int = 4, tiles: int = 4) -> None:
        self.project = make_project(tiles=tiles)
        self.machines = [make_session(now=now(), max_leases=2) for _ in range(machines)]
        sample_results(now=now())  # what is there already is not looked at

    def ask(self, session: SessionFacts, request: WorkRequest | None = None) -> WorkReply:
        return WorkDesk().serve_work([WorkQuery(session.token_hash, request or WorkRequest())])[0]

    def take(self, session: SessionFacts) -> Lease:
        reply = self.ask(session)
        assert reply.job is not None, reply.status
        return Lease.objects.get(token=reply.job.extras)

    def send(self, lease: Lease, shade: int | None = None) -> UploadStatus:
        """The frame, or a picture of another shade, from a machine that had it for a minute."""
        Lease.objects.filter(pk=lease.pk).update(started_at=now().replace(year=2020))
        upload = FrameUpload(lease.project_id, lease.frame, lease.token, rendertime=60)
        (found,) = look_up([upload])
        if isinstance(found, Known):
            return found.status
        return settle([Received(found, kept_picture(lease.frame if shade is None else shade))])[0]

    def render(self, session: SessionFacts, shade: int | None = None) -> Lease:
        lease = self.take(session)
        assert self.send(lease, shade) == UploadStatus.OK
        return lease

    def sample(self) -> Verification:
        """The verification of the newest frame."""
        assert sample_results(now=now(), random=ALWAYS) == 1
        return Verification.objects.latest("id")

    def verify(self, verification: Verification, session: SessionFacts, shade: int | None = None) -> Verification:
        """This machine renders the frame again, and the pictures are compared."""
        lease = self.take(session)
        assert lease.verification_id == verification.pk
        assert self.send(lease, shade) == UploadStatus.OK
        verifying.verify(verification.pk)
        verification.refresh_from_db()
        return verification


def kept_picture(shade: int) -> KeptImage:
    pixels = numpy.full((36, 64, 3), shade, numpy.uint8)
    pixels[:, 32:] += 40
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    ref = store().keep_bytes(data.getvalue(), "image/png")
    return KeptImage(ImageFacts("PNG", 64, 36, constant=False, thumbnail=b""), ref, ref)


@pytest.fixture
def farm() -> Farm:
    return Farm()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Verify], None]:
    def choose(verify: Verify) -> None:
        chosen = ServerConfig(verify=verify)
        for module in ("sampling", "verifying"):
            monkeypatch.setattr(f"sheepfold.server.pipeline.{module}.config", lambda: chosen)

    return choose


def verdicts(session: SessionFacts) -> list[str]:
    rows = Result.objects.filter(machine_id=session.machine_id).order_by("id")
    return list(rows.values_list("verdict", flat=True))


def reputation(session: SessionFacts) -> tuple[int, int]:
    rows = Reputation.objects.filter(pk=session.machine_id)
    return rows.values_list("agreed", "refuted").first() or (0, 0)


def trust(session: SessionFacts) -> None:
    Reputation.objects.create(machine_id=session.machine_id, agreed=TRUSTED)


def reason(session: SessionFacts) -> str:
    return Machine.objects.values_list("disabled_reason", flat=True).get(pk=session.machine_id)


def points(user_id: int) -> int:
    return balance(user_id) // 1000


def test_another_owners_machine_renders_the_frame_again_and_agrees(farm: Farm) -> None:
    first, second, *_ = farm.machines
    lease = farm.render(first)
    verification = farm.sample()

    job = farm.ask(second).job

    assert job is not None
    assert (job.id, job.frame) == (farm.project.pk, lease.frame)  # like any other job
    assert statuses(farm.project)[0] == TileStatus.DONE
    again = Lease.objects.get(token=job.extras)
    assert farm.send(again) == UploadStatus.OK
    verifying.verify(verification.pk)
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.AGREED
    assert (reputation(first), reputation(second)) == ((1, 0), (1, 0))
    assert (verdicts(first), verdicts(second)) == ([Verdict.ACCEPTED], [Verdict.VERIFYING])
    assert (reason(first), reason(second)) == ("", "")
    assert Result.objects.get(machine_id=second.machine_id).blob is None  # nobody needs a second one


def test_the_farm_pays_for_it_and_the_projects_owner_does_not(farm: Farm) -> None:
    first, second, *_ = farm.machines
    farm.render(first)
    farm.verify(farm.sample(), second)
    payer = User.objects.get(username="farm")
    assert (points(first.user_id), points(second.user_id)) == (1, 1)
    assert (points(farm.project.owner_id), points(payer.pk)) == (-1, -1)
    assert payer.is_active is False


def test_a_third_machine_finds_the_cheat_and_all_since_its_last_agreed_frame_is_done_again(farm: Farm) -> None:
    cheat, second, third, _ = farm.machines
    farm.render(cheat)
    farm.verify(farm.sample(), second)
    for _ in range(3):
        farm.render(cheat, WRONG)
    assert Project.objects.get(pk=farm.project.pk).status == ProjectStatus.FINISHED
    assert sample_results(now=now(), random=ALWAYS) == 2  # of one machine no more are open at once
    verification = Verification.objects.get(frame=2)
    held = Lease.objects.create(
        token="held",
        tile=Tile.objects.get(project=farm.project, frame=1),
        session_id=cheat.id,
        project_id=farm.project.pk,
        machine_id=cheat.machine_id,
        frame=1,
        started_at=now(),
        expires_at=now(),
    )

    doubtful = farm.verify(verification, second)
    assert (doubtful.status, reason(cheat), reason(second)) == (VerificationStatus.WAITING, "", "")
    settled = farm.verify(verification, third)

    assert settled.status == VerificationStatus.AGREED
    assert verdicts(cheat) == [Verdict.ACCEPTED, *[Verdict.REFUTED] * 3]
    assert statuses(farm.project) == [TileStatus.DONE, *[TileStatus.WAITING] * 3]
    project = Project.objects.get(pk=farm.project.pk)
    assert (project.status, project.claimable) == (ProjectStatus.RENDERING, True)
    assert "frame 2" in reason(cheat)
    assert (reputation(cheat), reputation(second), reputation(third)) == ((0, 1), (2, 0), (1, 0))
    assert (points(cheat.user_id), points(farm.project.owner_id)) == (1, -1)
    assert PointsEntry.objects.filter(kind="taken_back").count() == PointsEntry.objects.filter(kind="refunded").count()
    held.refresh_from_db()
    assert held.end == LeaseEnd.REVOKED
    assert farm.ask(cheat).status == WorkStatus.SESSION_DISABLED
    assert set(Verification.objects.filter(machine_id=cheat.machine_id, frame=3).values_list("status", flat=True)) == {
        VerificationStatus.DROPPED
    }


def test_what_a_found_cheat_still_sends_is_not_taken(farm: Farm) -> None:
    cheat, second, third, _ = farm.machines
    farm.render(cheat, WRONG)
    open_lease, lost = farm.take(cheat), farm.take(cheat)
    free_leases(where=Q(pk=lost.pk), now=now())
    (before,) = look_up([FrameUpload(open_lease.project_id, open_lease.frame, open_lease.token, rendertime=1)])
    verification = farm.sample()
    farm.verify(verification, second)
    farm.verify(verification, third)

    assert farm.send(open_lease) == UploadStatus.SESSION_DISABLED
    assert farm.send(lost) == UploadStatus.SESSION_DISABLED
    assert isinstance(before, Awaited)  # it was looked up before the machine was found
    settle([Received(before, kept_picture(open_lease.frame))])
    assert statuses(farm.project) == [TileStatus.WAITING] * 4
    assert Verdict.ACCEPTED not in verdicts(cheat)


def test_not_even_a_frame_of_a_session_that_had_ended_before_is_taken(farm: Farm) -> None:
    cheat, second, third, _ = farm.machines
    farm.render(cheat, WRONG)
    lost = farm.take(cheat)
    free_leases(where=Q(pk=lost.pk), now=now())
    end_session(session_id=cheat.id, now=now())
    verification = farm.sample()
    farm.verify(verification, second)
    farm.verify(verification, third)

    assert farm.send(lost) == UploadStatus.SESSION_DISABLED
    assert statuses(farm.project) == [TileStatus.WAITING] * 4


def test_what_others_agreed_with_stays_although_a_frame_before_it_was_wrong(farm: Farm) -> None:
    cheat, second, third, _ = farm.machines
    farm.render(cheat, WRONG)
    wrong = farm.sample()
    right = farm.render(cheat)
    again = farm.sample()
    Verification.objects.filter(pk=wrong.pk).update(status=VerificationStatus.RENDERING)  # nobody is offered it yet
    farm.verify(again, second)
    farm.render(cheat)
    Verification.objects.filter(pk=wrong.pk).update(status=VerificationStatus.WAITING)
    farm.verify(wrong, second)
    farm.verify(wrong, third)

    assert right.frame == 2
    assert verdicts(cheat) == [Verdict.REFUTED, Verdict.ACCEPTED, Verdict.REFUTED]
    assert statuses(farm.project)[:3] == [TileStatus.WAITING, TileStatus.DONE, TileStatus.WAITING]
    assert points(cheat.user_id) == 1


def test_a_machine_that_verifies_wrongly_is_found_and_the_frame_stays(farm: Farm) -> None:
    honest, cheat, third, _ = farm.machines
    farm.render(honest)
    verification = farm.sample()
    farm.verify(verification, cheat, WRONG)
    farm.verify(verification, third)

    assert (verdicts(honest), verdicts(cheat)) == ([Verdict.ACCEPTED], [Verdict.REFUTED])
    assert (reason(honest), bool(reason(cheat))) == ("", True)
    assert (reputation(honest), reputation(cheat)) == ((1, 0), (0, 1))
    assert points(cheat.user_id) == 0
    assert points(User.objects.get(username="farm").pk) == -1  # for the third one only
    assert statuses(farm.project)[0] == TileStatus.DONE


def test_two_newcomers_do_not_bring_down_a_trusted_machine() -> None:
    farm = Farm(machines=5)
    honest, one, other, fourth, _ = farm.machines
    trust(honest)
    trust(fourth)
    farm.render(honest)
    verification = farm.sample()
    farm.verify(verification, one, WRONG)
    doubtful = farm.verify(verification, other, WRONG)
    assert (doubtful.status, reason(honest)) == (VerificationStatus.WAITING, "")
    farm.verify(verification, fourth)
    assert [bool(reason(each)) for each in (honest, one, other, fourth)] == [False, True, True, False]


def test_a_scene_that_looks_different_each_time_blames_nobody_and_is_left_alone() -> None:
    farm = Farm(machines=6)
    first, *others = farm.machines
    farm.render(first)
    verification = farm.sample()
    for number, session in enumerate(others[:4]):
        assert verification.status == VerificationStatus.WAITING
        farm.verify(verification, session, 60 + 30 * number)
    assert verification.status == VerificationStatus.UNDECIDED
    assert not any(reason(session) for session in farm.machines)
    farm.render(first)
    assert sample_results(now=now(), random=ALWAYS) == 0


def test_a_machine_that_is_enabled_again_begins_as_a_new_one(farm: Farm) -> None:
    cheat, second, third, _ = farm.machines
    farm.render(cheat, WRONG)
    verification = farm.sample()
    farm.verify(verification, second)
    farm.verify(verification, third)
    enable_machine(machine_id=cheat.machine_id)
    farm.render(cheat)
    assert sample_results(now=now(), random=ALWAYS) == 1
    assert reputation(cheat) == (0, 1)


def test_machines_of_the_same_owner_do_not_verify_each_other(farm: Farm) -> None:
    first, *_ = farm.machines
    sibling = make_session(user=User.objects.get(pk=first.user_id), now=now())
    farm.render(first)
    verification = farm.sample()
    assert farm.take(sibling).verification_id is None
    assert farm.take(first).verification_id is None
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.WAITING


def test_only_devices_of_the_same_kind_verify_each_other() -> None:
    farm = Farm()
    Project.objects.filter(pk=farm.project.pk).update(use_gpu=True)
    first, second, third, fourth = farm.machines
    nvidia = WorkRequest(ComputeMethod.GPU, gpu_model="NVIDIA GeForce RTX 3060")
    job = farm.ask(first, nvidia).job
    assert job is not None
    farm.send(Lease.objects.get(token=job.extras))
    verification = farm.sample()
    assert verification.family == "nvidia"
    for session, request, is_asked in (
        (second, WorkRequest(), False),
        (third, WorkRequest(ComputeMethod.GPU, gpu_model="AMD Radeon RX 6800"), False),
        (fourth, WorkRequest(ComputeMethod.GPU, gpu_model="Quadro RTX 4000"), True),
    ):
        job = farm.ask(session, request).job
        assert job is not None
        lease = Lease.objects.get(token=job.extras)
        assert (lease.verification_id == verification.pk, job.use_gpu) == (is_asked, bool(request.gpu_model))


def test_scenes_of_a_group_are_verified_within_it_or_not_at_all(farm: Farm) -> None:
    first, second, *_ = farm.machines
    farm.render(first)
    farm.sample()
    Project.objects.filter(pk=farm.project.pk).update(visibility=Visibility.GROUP)
    assert farm.ask(second).status == WorkStatus.NO_JOB


def test_frames_that_somebody_renders_for_himself_are_not_verified() -> None:
    farm = Farm()
    own = make_session(user=User.objects.get(pk=farm.project.owner_id), now=now())
    farm.render(own)
    assert sample_results(now=now(), random=ALWAYS) == 0


def test_nothing_is_verified_where_fewer_than_three_owners_have_machines(setting: Callable[[Verify], None]) -> None:
    farm = Farm(machines=2)
    farm.render(farm.machines[0])
    assert sample_results(now=now(), random=ALWAYS) == 0
    setting(Verify.ON)
    farm.render(farm.machines[0])
    assert sample_results(now=now(), random=ALWAYS) == 1


def test_the_setting_on_verifies_among_machines_of_one_owner_and_off_none(setting: Callable[[Verify], None]) -> None:
    setting(Verify.OFF)
    owner = make_user()
    farm = Farm(machines=0)
    one, other = make_session(user=owner, now=now()), make_session(user=owner, now=now())
    farm.render(one)
    assert sample_results(now=now(), random=ALWAYS) == 0
    setting(Verify.ON)
    settled = farm.verify(farm.sample(), other)  # frames of the last day are looked at
    assert settled.status == VerificationStatus.AGREED


def test_a_verification_whose_lease_ends_waits_again_and_the_tile_is_not_touched(farm: Farm) -> None:
    first, second, third, _ = farm.machines
    farm.render(first)
    verification = farm.sample()
    lease = farm.take(second)
    Lease.objects.filter(pk=lease.pk).update(expires_at=now().replace(year=2020))
    expire_due(now=now())
    verification.refresh_from_db()
    assert (verification.status, statuses(farm.project)[0]) == (VerificationStatus.WAITING, TileStatus.DONE)
    assert farm.send(lease) == UploadStatus.OK  # too late; it is not paid and does no harm
    assert verdicts(second) == [Verdict.LATE]
    assert farm.verify(verification, third).status == VerificationStatus.AGREED


def test_a_frame_that_three_machines_cannot_render_again_is_dropped_without_blame(farm: Farm) -> None:
    first, *others = farm.machines
    farm.render(first)
    verification = farm.sample()
    for session in others:
        lease = farm.take(session)
        message = ErrorReport(ErrorKind.RENDERER_CRASHED, lease.project_id, lease.frame, lease.token)
        record_reports([Report(None, message, None)])
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.DROPPED
    assert statuses(farm.project)[0] == TileStatus.DONE
    assert Tile.objects.get(project=farm.project, frame=1).failures == 0
    assert not any(reason(session) for session in farm.machines)


def test_a_frame_can_be_rendered_anew_while_it_is_verified(farm: Farm) -> None:
    first, second, third, _ = farm.machines
    farm.render(first)
    verification = farm.sample()
    again = farm.take(second)
    steps.rerender(project_id=farm.project.pk, frame_numbers=[1], now=now())
    anew = farm.take(third)
    assert (anew.frame, anew.verification_id, again.frame) == (1, None, 1)
    farm.send(again)
    assert statuses(farm.project)[0] == TileStatus.RENDERING
    farm.send(anew)
    verifying.verify(verification.pk)
    assert statuses(farm.project)[0] == TileStatus.DONE
    assert (verdicts(first), verdicts(third)) == ([Verdict.REPLACED], [Verdict.ACCEPTED])
    assert reputation(first) == (1, 0)


def test_the_end_of_a_verification_does_not_take_a_tile_that_is_rendered_anew(farm: Farm) -> None:
    first, second, third, _ = farm.machines
    farm.render(first)
    farm.sample()
    again = farm.take(second)
    steps.rerender(project_id=farm.project.pk, frame_numbers=[1], now=now())
    anew = farm.take(third)
    assert anew.frame == 1
    free_leases(where=Q(pk=again.pk), now=now())
    assert statuses(farm.project)[0] == TileStatus.RENDERING


def test_a_picture_for_comparison_that_comes_twice_counts_once(farm: Farm) -> None:
    first, second, *_ = farm.machines
    farm.render(first)
    farm.sample()
    lease = farm.take(second)
    (found,) = look_up([FrameUpload(lease.project_id, lease.frame, lease.token, rendertime=1)])
    assert isinstance(found, Awaited)
    twice = [Received(found, kept_picture(1))] * 2
    assert settle(twice) == [UploadStatus.OK] * 2
    assert farm.send(lease) == UploadStatus.OK
    assert Vote.objects.filter(machine_id=second.machine_id).count() == 1
    assert PointsEntry.objects.filter(user_id=second.user_id).count() == 1


def test_a_found_cheats_votes_in_other_verifications_are_void() -> None:
    farm = Farm(machines=5)
    cheat, honest, third, fourth, _ = farm.machines
    farm.render(honest)
    doubted = farm.sample()
    farm.verify(doubted, cheat, WRONG)  # two against each other
    farm.render(cheat, WRONG)
    verification = farm.sample()
    Verification.objects.filter(pk=doubted.pk).update(status=VerificationStatus.RENDERING)  # nobody is offered it
    farm.verify(verification, third)
    farm.verify(verification, fourth)
    Verification.objects.filter(pk=doubted.pk).update(status=VerificationStatus.WAITING)
    assert bool(reason(cheat))
    assert list(Vote.objects.filter(verification=doubted).values_list("machine_id", flat=True)) == [honest.machine_id]
    assert farm.verify(doubted, third).status == VerificationStatus.AGREED
    assert points(cheat.user_id) == 0


def test_a_verification_whose_picture_was_lost_is_dropped(farm: Farm) -> None:
    first, second, *_ = farm.machines
    lease = farm.render(first)
    verification = farm.sample()
    Result.objects.filter(tile_id=lease.tile_id).update(blob=None)
    assert farm.verify(verification, second).status == VerificationStatus.DROPPED
    assert (reputation(first), reputation(second)) == ((0, 0), (0, 0))


def test_a_project_is_purged_with_its_verifications(farm: Farm) -> None:
    first, second, *_ = farm.machines
    farm.render(first)
    farm.verify(farm.sample(), second)
    steps.delete_project(project_id=farm.project.pk, now=now())
    purge(project_id=farm.project.pk)
    assert not any(model.objects.exists() for model in (Project, Tile, Lease, Result, Verification, Vote))
    assert reputation(first) == (1, 0)


def test_what_no_machine_can_do_does_not_hide_what_waits_behind_it(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, _ = farm.machines
    farm.render(first)
    Verification.objects.filter(pk=farm.sample().pk).update(family="a rare card")
    farm.render(second)
    verification = farm.sample()
    monkeypatch.setattr(verifying, "LOOK_SECONDS", 0)
    monkeypatch.setattr(verifying, "MOST_WAITING", 1)
    desk = WorkDesk()
    for _ in range(2):
        desk.serve_work([WorkQuery(third.token_hash, WorkRequest())])
    verification.refresh_from_db()
    assert verification.status == VerificationStatus.RENDERING


def test_what_no_machine_can_render_again_and_what_is_over_is_dropped(farm: Farm) -> None:
    first, second, *_ = farm.machines
    farm.render(first)
    verification = farm.sample()
    assert drop_stale(now=now()) == 0
    steps.cancel_project(project_id=farm.project.pk, now=now())
    assert farm.ask(second).status == WorkStatus.NO_JOB
    assert drop_stale(now=now()) == 1
    other = Farm()
    other.render(other.machines[0])
    verification = other.sample()
    assert drop_stale(now=verification.created_at + PATIENCE * 2) == 1


def test_of_a_trusted_machine_less_than_a_tenth_is_verified() -> None:
    farm = Farm(tiles=400)
    trusted = farm.machines[0]
    trust(trusted)
    tiles = list(Tile.objects.filter(project=farm.project).order_by("frame"))
    random, opened = Random(7), 0
    for tile in tiles:
        lease = Lease.objects.create(
            token=f"t{tile.frame}",
            tile=tile,
            session_id=trusted.id,
            project_id=farm.project.pk,
            machine_id=trusted.machine_id,
            frame=tile.frame,
            started_at=now(),
            expires_at=now(),
            end=LeaseEnd.ACCEPTED,
        )
        Result.objects.create(
            tile=tile,
            project_id=farm.project.pk,
            lease_token=lease.token,
            machine_id=trusted.machine_id,
            verdict=Verdict.ACCEPTED,
            created_at=now(),
        )
        if tile.frame % 20 == 0:
            opened += sample_results(now=now(), random=random)
            Verification.objects.update(status=VerificationStatus.AGREED)
    assert 8 <= opened <= 40  # of 400; 5 % are 20, at most two of each 20


def test_asking_for_work_looks_once_a_while_at_what_waits_and_never_where_it_is_off(
    farm: Farm, setting: Callable[[Verify], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "LOOK_SECONDS", 3600)

    def looks() -> int:
        desk = WorkDesk()
        with CaptureQueriesContext(connection) as seen:
            for session in farm.machines:
                desk.serve_work([WorkQuery(session.token_hash, WorkRequest())])
        free_leases(where=Q(end=""), now=now())
        return sum("results_verification" in one["sql"] or "results_vote" in one["sql"] for one in seen)

    assert looks() == 1
    setting(Verify.OFF)
    assert looks() == 0
