"""Machines on the site: what each does, why one gets no work, and lending one."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from sheepfold.server.accounts.models import BlockedOwner, RenderKey, User
from sheepfold.server.accounts.queries import credentials_of_key
from sheepfold.server.core.clock import now
from sheepfold.server.dispatch.models import Lease
from sheepfold.server.machines.actions import disable_machine
from sheepfold.server.machines.models import Machine, Session
from sheepfold.server.projects.models import Project, Visibility
from tests.server.farm import later, make_project, make_session, make_user


@pytest.fixture
def renderer(db: None) -> Session:
    """The live session of a machine of somebody."""
    facts = make_session(user=make_user("renderer"), now=now())
    return Session.objects.select_related("machine__user").get(pk=facts.id)


def client_of(user: User) -> Client:
    """Somebody who is signed in."""
    client = Client()
    client.force_login(user)
    return client


def page_of(session: Session) -> str:
    """The machine's page as its owner sees it."""
    client = client_of(session.machine.user)
    return client.get(f"/machines/{session.machine_id}/").content.decode()


def test_the_list_shows_what_a_machine_does(renderer: Session) -> None:
    project = make_project(owner=renderer.machine.user, name="walk")
    tile = project.tiles.get(frame=2)
    times = {"started_at": now(), "expires_at": later(hours=1), "rendertime": 90, "remainingtime": 30}
    where = {"tile": tile, "session": renderer, "project_id": project.pk, "machine_id": renderer.machine_id, "frame": 2}
    Lease.objects.create(token="t", **where, **times)
    page = client_of(renderer.machine.user).get("/machines/").content.decode()
    assert re.search(r"walk, frame 2, 1 min 30 s, 30 s left", page)
    assert '<progress value="75" max="100"' in page


def test_a_machine_was_heard_of_at_its_last_sign_of_life_and_not_at_its_login(renderer: Session) -> None:
    Machine.objects.update(seen_at=now() - timedelta(days=3))
    Session.objects.update(started_at=now() - timedelta(days=3), heard_at=now() - timedelta(minutes=2))
    assert "<dt>Heard of</dt><dd>2 min ago</dd>" in page_of(renderer)
    assert "heard 2 min ago" in client_of(renderer.machine.user).get("/machines/").content.decode()


def test_a_machine_that_may_render_is_told_how_much_waits(renderer: Session) -> None:
    make_project(tiles=3, owner=renderer.machine.user)
    assert "it may: 3 frames wait" in page_of(renderer)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"visibility": Visibility.OWNER}, "only machines of its owner may render it"),
        ({"visibility": Visibility.GROUP}, "only machines of its group may render it"),
        ({"use_cpu": False, "use_gpu": True}, "it needs a GPU"),
        ({"min_ram_kib": 1 << 40}, "it needs more memory than this machine offers"),
        ({"renderer": None}, "its Blender version is not available for this platform"),
    ],
)
def test_why_a_machine_gets_no_work_of_a_project(renderer: Session, values: dict[str, object], words: str) -> None:
    project = make_project(name="secret film", **values)
    page = page_of(renderer)
    assert words in page
    assert project.name not in page  # it is not theirs to see


def test_a_block_of_the_owner_is_named(renderer: Session) -> None:
    BlockedOwner.objects.create(user=renderer.machine.user, owner=make_project().owner)
    assert "you blocked its owner" in page_of(renderer)


def test_what_holds_for_the_machine_as_a_whole_comes_first(renderer: Session) -> None:
    assert "No project has frames to render" in page_of(renderer)
    make_project()
    User.objects.filter(pk=renderer.machine.user_id).update(may_render=False)
    assert "Its owner may not render on this farm" in page_of(renderer)
    Machine.objects.filter(pk=renderer.machine_id).update(paused=True)
    assert "It is paused" in page_of(renderer)
    disable_machine(machine_id=renderer.machine_id, reason="it fails everybody")
    assert "The farm disabled it: it fails everybody" in page_of(renderer)
    Session.objects.update(expires_at=now())
    assert "It is not connected" in page_of(renderer)


def test_the_shown_key_lets_a_machine_in_and_is_shown_once(db: None) -> None:
    ada = make_user("ada")
    page = client_of(ada).post("/machines/lend/key/", {"name": "attic"}).content.decode()
    secret = re.search(r'<code id="key">([\w-]{43})</code>', page)
    assert secret is not None
    found = credentials_of_key("ada", secret.group(1))
    assert found is not None
    assert found.user == ada
    assert page.count("--login ada --key") == 1
    assert f"-login ada -password {secret.group(1)}" in page
    for path in ("/machines/lend/", "/account/keys/", "/machines/"):
        assert secret.group(1) not in client_of(ada).get(path).content.decode()


def test_a_revoked_key_lets_nobody_in(db: None) -> None:
    ada = make_user("ada")
    page = client_of(ada).post("/machines/lend/key/", {"name": "attic"}).content.decode()
    secret = re.search(r'<code id="key">([\w-]{43})</code>', page)
    assert secret is not None
    client_of(ada).post(f"/account/keys/{RenderKey.objects.get().pk}/revoke/")
    assert credentials_of_key("ada", secret.group(1)) is None


def test_a_key_needs_a_name(db: None) -> None:
    answer = client_of(make_user("ada")).post("/machines/lend/key/", {"name": " "})
    assert (answer.status_code, RenderKey.objects.count()) == (422, 0)


def test_projects_of_others_stay_unnamed_in_the_list_of_reasons(renderer: Session) -> None:
    make_project(name="secret film")
    page = page_of(renderer)
    assert "somebody&#x27;s project" in page
    assert Project.objects.get().name not in page
