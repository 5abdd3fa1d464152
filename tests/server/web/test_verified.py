"""What the site says of verified frames: to a machine's owner, a project's owner, and where points moved."""

import pytest
from django.test import Client

from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.machines.actions import disable_machine
from sheepfold.server.results.actions import Questioned, distrust, open_verification, refute, settle_verification
from sheepfold.server.results.models import PointsEntry, PointsKind, Reputation, Result, Verification, Vote
from tests.server.web.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def page(user: User, path: str) -> str:
    client = Client()
    client.force_login(user)
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def verify(world: World) -> Result:
    """The finished frame is being verified."""
    result = Result.objects.get(tile__frame=1)
    picture = Questioned(result.pk, result.tile_id, world.project.pk, 1, world.machine.pk, world.owner.pk, "cpu")
    open_verification(picture=picture, now=now())
    return result


def test_a_machines_page_tells_how_far_it_is_trusted(world: World) -> None:
    path = f"/machines/{world.machine.pk}/"
    assert "rendered alike by another machine" not in page(world.owner, path)
    Reputation.objects.create(machine_id=world.machine.pk, agreed=1)
    assert "1 frame rendered alike by another machine, not trusted yet" in page(world.owner, path)
    Reputation.objects.update(agreed=9)
    assert "9 frames rendered alike by another machine, trusted" in page(world.owner, path)
    distrust(machine_id=world.machine.pk, now=now())
    disable_machine(machine_id=world.machine.pk, reason="its picture of frame 1 is not what other machines render")
    shown = page(world.owner, path)
    assert "0 frames rendered alike by another machine since it was last found wrong (1 time), not trusted" in shown
    assert "its picture of frame 1 is not what other machines render" in shown


def test_a_frames_page_tells_that_another_machine_rendered_the_same_once_it_did(world: World) -> None:
    path = f"/projects/{world.project.pk}/frames/1/"
    result = verify(world)
    assert "Another machine rendered the same." not in page(world.owner, path)
    vote = Vote.objects.get(result=result)
    settle_verification(verification_id=Verification.objects.get().pk, agreed=[vote.pk], now=now())
    assert "Another machine rendered the same." in page(world.owner, path)


def test_the_account_tells_of_points_taken_back_and_refunded(world: World) -> None:
    result = Result.objects.get(tile__frame=1)
    for kind, amount in ((PointsKind.RENDERED, 5000), (PointsKind.SPENT, -5000)):
        entry = {"kind": kind, "millipoints": amount, "result": result, "created_at": now()}
        PointsEntry.objects.get_or_create(user=world.owner, result=result, kind=kind, defaults=entry)
    refute(machine_id=world.machine.pk, after=0, now=now())
    shown = page(world.owner, "/account/")
    assert "Taken back for wrong frame 1" in shown
    assert f"Refunded for wrong frame 1 of {world.project.name}" in shown
