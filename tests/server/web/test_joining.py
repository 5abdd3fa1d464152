"""How people come to a farm: first run, sign-up by invitation, groups."""

import re

import pytest
from django.test import Client

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.first_run import open_first_run
from sheepfold.server.accounts.models import Invitation, Membership, User
from sheepfold.server.core.config import SignUp, config
from sheepfold.server.web import account_adapter
from tests.server.farm import NOON
from tests.server.web.world import World

PASSWORD = "quiet-meadow-7"
ACCOUNT = {"username": "ada", "email": "ada@farm.example", "password": PASSWORD}


@pytest.fixture
def first_run(db: None) -> str:
    """The one-time link of a new farm."""
    return f"/first-run/{open_first_run(admin=create_user(username='admin', password=None, admin=True))}/"


def test_the_first_admin_takes_the_farm_over_once(first_run: str) -> None:
    client = Client()
    assert "Storage" in client.get(first_run).content.decode()
    assert client.post(first_run, ACCOUNT).status_code == 302
    admin = User.objects.get()
    assert (admin.username, admin.is_staff, admin.check_password(PASSWORD)) == ("ada", True, True)
    assert client.get("/admin/").status_code == 200

    thief = Client()
    assert thief.get(first_run).status_code == 404
    assert thief.post(first_run, {**ACCOUNT, "username": "thief"}).status_code == 404
    assert User.objects.get().username == "ada"


def test_a_weak_password_is_refused_and_the_link_stays(first_run: str) -> None:
    client = Client()
    page = client.post(first_run, {**ACCOUNT, "password": "12345"}).content.decode()
    assert "too short" in page
    assert User.objects.get().username == "admin"
    assert client.get(first_run).status_code == 200


def test_nobody_signs_up_without_an_invitation(db: None) -> None:
    client = Client()
    client.post("/accounts/signup/", {"username": "bo", "password1": PASSWORD})
    assert "By invitation" in client.get("/accounts/signup/").content.decode()
    assert User.objects.count() == 0


def test_an_invitation_makes_an_account_in_the_group_once(world: World) -> None:
    link = f"/invitations/{world.invitation_secret}/"
    client = Client()
    assert "studio" in client.get(link).content.decode()
    assert client.post("/accounts/signup/", {"username": "bo", "password1": PASSWORD}).status_code == 302
    bo = User.objects.get(username="bo")
    assert Membership.objects.filter(user=bo, group=world.group).count() == 1
    assert Invitation.objects.get(group=world.group).used_by == bo

    late = Client()
    assert late.get(link).status_code == 404
    late.post("/accounts/signup/", {"username": "cy", "password1": PASSWORD})
    assert not User.objects.filter(username="cy").exists()


def test_a_withdrawn_invitation_does_not_count(world: World) -> None:
    admin = Client()
    assert world.people["group admin"] is not None
    admin.force_login(world.people["group admin"])
    admin.post(f"/groups/{world.group.pk}/invitations/{world.group_invitation.pk}/withdraw/")
    assert Client().get(f"/invitations/{world.invitation_secret}/").status_code == 404


def test_the_link_of_a_new_invitation_is_shown_once(world: World) -> None:
    client = Client()
    assert world.people["group admin"] is not None
    client.force_login(world.people["group admin"])
    page = client.post(f"/groups/{world.group.pk}/invite/", {"note": "for bo"}).content.decode()
    link = re.search(r"/invitations/[\w-]{43}/", page)
    assert link is not None
    assert link.group() not in client.get(f"/groups/{world.group.pk}/").content.decode()
    assert Client().get(link.group()).status_code == 200


def test_the_last_admin_of_a_group_cannot_leave_it(world: World) -> None:
    client, admin = Client(), world.people["group admin"]
    assert admin is not None
    client.force_login(admin)
    response = client.post(f"/groups/{world.group.pk}/members/{admin.pk}/remove/")
    assert (response.status_code, "only admin" in response.content.decode()) == (409, True)
    assert Membership.objects.filter(user=admin, group=world.group).count() == 1


def test_the_last_admin_of_the_farm_stays_one(world: World) -> None:
    client, admin = Client(), world.people["admin"]
    assert admin is not None
    client.force_login(admin)
    form = {"active": "on", "max_priority": "50", "max_open_projects": "0"}
    assert client.post(f"/admin/users/{admin.pk}/rights/", form).status_code == 409
    assert User.objects.get(pk=admin.pk).is_staff is True


def test_a_closed_farm_takes_nobody_even_with_an_invitation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = config().model_copy(update={"signup": SignUp.CLOSED})
    monkeypatch.setattr(account_adapter, "config", lambda: closed)
    client = Client()
    client.get(f"/invitations/{world.invitation_secret}/")
    client.post("/accounts/signup/", {"username": "bo", "password1": PASSWORD})
    assert not User.objects.filter(username="bo").exists()
    assert Invitation.objects.get(group=world.group).used_at is None


def test_of_two_people_with_one_invitation_the_second_stays_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The invitation is used up between the second one's check and their account."""
    client = Client()
    client.get(f"/invitations/{world.invitation_secret}/")
    taken = world.group_invitation
    monkeypatch.setattr(account_adapter, "good_invitation", lambda secret, now: taken)
    Invitation.objects.filter(pk=taken.pk).update(used_at=NOON)
    assert client.post("/accounts/signup/", {"username": "cy", "password1": PASSWORD}).status_code == 404
    assert not User.objects.filter(username="cy").exists()
