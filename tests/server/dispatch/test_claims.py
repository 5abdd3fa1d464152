"""Claims: who gets which tile, one tile to one session, and projects that are exhausted cost nothing."""

from dataclasses import replace
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sheepfold.protocol.codes import ComputeMethod, WorkStatus
from sheepfold.server.accounts.models import Group
from sheepfold.server.dispatch.claims import Claim, Grant, claim
from sheepfold.server.dispatch.eligibility import Offer
from sheepfold.server.dispatch.models import Lease
from sheepfold.server.dispatch.picture import PictureBook
from sheepfold.server.frames.actions import record_failure
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.projects.models import Project, ProjectStatus, Visibility
from tests.server.farm import NOON, make_project, make_session, make_user, statuses

pytestmark = pytest.mark.django_db


def ask(*sessions: SessionFacts, offer: Offer | None = None) -> list[Grant | WorkStatus]:
    """One group of requests."""
    claims = [Claim(session, offer or Offer()) for session in sessions]
    return claim(claims, book=PictureBook(random=Random(7)), now=NOON)


def frames_of(outcomes: list[Grant | WorkStatus]) -> list[int]:
    """The frames that were granted, in the order asked."""
    return [outcome.lease.frame for outcome in outcomes if isinstance(outcome, Grant)]


def test_each_session_of_a_group_gets_another_tile_in_the_order_of_rank() -> None:
    project = make_project(tiles=3)

    outcomes = ask(make_session(), make_session())

    assert frames_of(outcomes) == [1, 2]
    assert statuses(project) == [TileStatus.RENDERING, TileStatus.RENDERING, TileStatus.WAITING]
    assert list(Lease.objects.order_by("frame").values_list("frame", "end")) == [(1, ""), (2, "")]


def test_who_comes_too_late_gets_no_job_and_the_project_is_closed() -> None:
    project = make_project(tiles=1)

    outcomes = ask(make_session(), make_session())

    assert frames_of(outcomes) == [1]
    assert outcomes[1] is WorkStatus.NO_JOB
    assert Project.objects.get(pk=project.pk).claimable is False


def test_a_group_goes_on_to_the_next_project_when_one_is_exhausted() -> None:
    owner = make_user()
    first, second = make_project(tiles=1, owner=owner), make_project(tiles=2, owner=owner)

    outcomes = ask(make_session(), make_session(), make_session())

    projects = [outcome.lease.project_id for outcome in outcomes if isinstance(outcome, Grant)]
    assert projects == [first.pk, second.pk, second.pk]


def test_higher_priority_goes_first() -> None:
    make_project(tiles=1, priority=50)
    urgent = make_project(tiles=1, priority=60)

    (outcome,) = ask(make_session())

    assert isinstance(outcome, Grant)
    assert outcome.lease.project_id == urgent.pk


def test_own_projects_go_before_others_of_higher_priority() -> None:
    user = make_user()
    make_project(tiles=1, priority=90)
    own = make_project(tiles=1, owner=user)

    (outcome,) = ask(make_session(user=user))

    assert isinstance(outcome, Grant)
    assert outcome.lease.project_id == own.pk


def test_a_platform_without_any_renderer_is_told_so_and_nothing_changes() -> None:
    project = make_project(tiles=1)

    assert ask(make_session(os="windows")) == [WorkStatus.NO_RENDERER]
    assert statuses(project) == [TileStatus.WAITING]
    assert Lease.objects.count() == 0


@pytest.mark.parametrize(
    ("values", "offer"),
    [
        ({"visibility": Visibility.OWNER}, Offer()),
        ({"visibility": Visibility.GROUP}, Offer()),
        ({"use_cpu": False, "use_gpu": True}, Offer()),
        ({"min_ram_kib": 32 << 20}, Offer()),
        ({"min_ram_kib": 8 << 20}, Offer(ram_max_kib=4 << 20)),
        ({}, Offer(ComputeMethod.GPU, has_gpu=True)),
        ({"status": ProjectStatus.PAUSED}, Offer()),
        ({"claimable": False}, Offer()),
        ({"deleted_at": NOON}, Offer()),
    ],
    ids=["owner only", "group only", "needs GPU", "memory", "memory offered", "GPU only", "paused", "closed", "bin"],
)
def test_a_project_that_the_session_may_not_render_is_left_alone(values: dict[str, object], offer: Offer) -> None:
    project = make_project(tiles=1, **values)

    assert ask(make_session(), offer=offer) == [WorkStatus.NO_JOB]
    assert statuses(project) == [TileStatus.WAITING]
    assert Lease.objects.count() == 0


def test_a_tile_goes_to_another_machine_after_one_failed_it() -> None:
    project = make_project(tiles=1)
    failed, other = make_session(), make_session()
    tile = Tile.objects.get(project=project)
    record_failure(tile_id=tile.pk, machine_id=failed.machine_id, owner_id=project.owner_id, reason="crashed", now=NOON)

    assert ask(failed) == [WorkStatus.NO_JOB]
    assert frames_of(ask(other)) == [1]


@pytest.mark.parametrize("group", [1, 30])
def test_the_number_of_statements_does_not_grow_with_the_group(group: int) -> None:
    make_project(tiles=40)
    claims = [Claim(make_session(), Offer()) for _ in range(group)]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        claim(claims, book=PictureBook(), now=NOON)

    assert len(queries) == 6  # the picture takes four, the tiles one, the leases one


def test_the_gpu_is_used_where_machine_and_project_agree() -> None:
    make_project(tiles=2, use_gpu=True)

    (with_gpu,) = ask(make_session(), offer=Offer(ComputeMethod.CPU_OR_GPU, has_gpu=True))
    (without,) = ask(make_session(), offer=Offer(ComputeMethod.CPU, has_gpu=True))

    assert [one.on_gpu for one in (with_gpu, without) if isinstance(one, Grant)] == [True, False]


def test_no_more_machines_work_for_a_group_than_it_may_have() -> None:
    group = Group.objects.create(name="class", max_machines=2)
    project = make_project(tiles=5, group=group)
    first, second, third = make_session(), make_session(), make_session()

    assert frames_of(ask(first)) == [1]
    outcomes = ask(second, third)

    assert frames_of(outcomes) == [2]
    assert outcomes[1] is WorkStatus.NO_JOB
    assert frames_of(ask(first)) == [3]
    assert statuses(project).count(TileStatus.RENDERING) == 3


def test_who_finds_no_room_in_one_group_works_for_another() -> None:
    owner = make_user()
    full = make_project(tiles=5, owner=owner, group=Group.objects.create(name="class", max_machines=1))
    free = make_project(tiles=5, owner=owner, group=Group.objects.create(name="studio"))

    outcomes = ask(make_session(), make_session())

    projects = [outcome.lease.project_id for outcome in outcomes if isinstance(outcome, Grant)]
    assert projects == [full.pk, free.pk]


STAYS = 7  # a seed whose first numbers let everybody stay


def test_a_machine_stays_with_the_scene_that_it_has() -> None:
    first, second = make_project(tiles=9), make_project(tiles=9)
    book = PictureBook(random=Random(STAYS))
    assert _projects_of(book, make_session(), ()) == [first.pk]
    assert _projects_of(book, make_session(), ()) == [second.pk]

    assert _projects_of(book, make_session(), (_scene(second),)) == [second.pk]
    assert _projects_of(book, make_session(), ("0" * 32, _scene(second))) == [second.pk]


def test_our_client_names_the_scene_that_it_had_last_first() -> None:
    first, second = make_project(tiles=9), make_project(tiles=9)
    book = PictureBook(random=Random(STAYS))
    session = replace(make_session(), own_protocol=1)
    for project in (first, second):
        book.turns.take(project.owner_id)

    assert _projects_of(book, session, (_scene(second), _scene(first))) == [second.pk]
    assert _projects_of(book, session, (_scene(first), _scene(second))) == [first.pk]


def test_owners_who_uploaded_the_same_scene_share_those_who_stay_with_it() -> None:
    first = make_project(tiles=20)
    second = make_project(tiles=20, archive=first.archive)
    book = PictureBook(random=Random(STAYS))
    for project in (first, second):
        book.turns.take(project.owner_id)

    found = [_projects_of(book, make_session(), (_scene(first),))[0] for _ in range(20)]
    assert 6 <= found.count(first.pk) <= 14


def _scene(project: Project) -> str:
    assert project.archive is not None
    return project.archive.md5


def _projects_of(book: PictureBook, session: SessionFacts, archives: tuple[str, ...]) -> list[int]:
    outcomes = claim([Claim(session, Offer(archives=archives))], book=book, now=NOON)
    return [outcome.lease.project_id for outcome in outcomes if isinstance(outcome, Grant)]
