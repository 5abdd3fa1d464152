"""What the owner of a machine does with it on its page, and what the page says of it."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from sheepfold.server.core.clock import now
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.actions import block_project
from sheepfold.server.machines.models import BlockedProject, Machine, Session
from sheepfold.server.projects.models import Project, Visibility
from tests.server.farm import later, make_project, make_session, make_user, statuses


@pytest.fixture
def session(db: None) -> Session:
    """Of Sheepfold's client, on a machine of somebody."""
    facts = make_session(user=make_user("renderer"), now=now())
    Session.objects.update(own_protocol=2)
    return Session.objects.select_related("machine__user").get(pk=facts.id)


@pytest.fixture
def owner(session: Session) -> Client:
    client = Client()
    client.force_login(session.machine.user)
    return client


def page(owner: Client, session: Session) -> str:
    return owner.get(f"/machines/{session.machine_id}/").content.decode()


def do(owner: Client, session: Session, action: str, **form: object) -> list[str]:
    """Press a button. Returns what the page says to it."""
    response = owner.post(f"/machines/{session.machine_id}/{action}/", form)
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)]


def renders(session: Session, project: Project) -> Lease:
    tile = project.tiles.get(frame=1)
    project.tiles.filter(pk=tile.pk).update(status=TileStatus.RENDERING)
    where = {"tile": tile, "session": session, "project_id": project.pk, "machine_id": session.machine_id, "frame": 1}
    return Lease.objects.create(token="t", started_at=now(), expires_at=later(days=900), **where)


@pytest.mark.parametrize(
    ("wish", "paused", "obeys", "rendering", "words"),
    [
        ("", False, "", True, "rendering"),
        ("", False, "run", False, "waiting for work"),
        ("", True, "run", True, "is being told to pause"),
        ("", True, "pause", True, "finishes its frame, then pauses"),
        ("", True, "pause", False, "paused"),
        ("", False, "pause", True, "paused at the machine"),
        ("", False, "stop-after-frame", True, "ends after its frame, as told at the machine"),
        ("stop-after-frame", False, "run", True, "is being told to stop after its frame"),
        ("stop-after-frame", False, "stop-after-frame", True, "will stop after this frame"),
        ("stop-after-frame", False, "stop-after-frame", False, "is stopping"),
        ("stop-now", False, "run", True, "is being told to stop"),
        ("stop-now", True, "stop-now", True, "is stopping"),
    ],
)
def test_the_page_and_the_list_say_what_was_asked_for_and_whether_the_client_obeys(
    owner: Client, session: Session, wish: str, paused: bool, obeys: str, rendering: bool, words: str
) -> None:
    Machine.objects.update(wish=wish, paused=paused)
    Session.objects.update(obeys=obeys)
    if rendering:
        renders(session, make_project())
    assert f'role="status">{words}<' in page(owner, session)
    assert f">{words}</span>" in owner.get("/machines/").content.decode()


@pytest.mark.parametrize(
    ("wish", "paused", "words"),
    [
        ("", False, "not connected"),
        ("", True, "paused, not connected"),
        ("stopped", False, "stopped"),
        ("stop-now", False, "not connected; stops when it comes back"),
    ],
)
def test_what_the_page_says_of_a_machine_that_is_gone(
    owner: Client, session: Session, wish: str, paused: bool, words: str
) -> None:
    Machine.objects.update(wish=wish, paused=paused)
    Session.objects.update(status="ended")
    assert f'role="status">{words}<' in page(owner, session)


def test_each_button_stands_where_it_does_something(owner: Client, session: Session) -> None:
    def buttons() -> list[str]:
        shown = page(owner, session)
        return [name for name in ("pause", "resume", "stop", "stop-now", "go-on") if f'id="{name}"' in shown]

    assert buttons() == ["pause", "stop", "stop-now"]
    do(owner, session, "pause")
    assert buttons() == ["resume", "stop", "stop-now"]
    do(owner, session, "stop")
    assert buttons() == ["resume", "stop-now", "go-on"]
    do(owner, session, "stop-now")
    assert buttons() == ["resume", "go-on"]
    do(owner, session, "go-on")
    do(owner, session, "resume")
    assert buttons() == ["pause", "stop", "stop-now"]
    Session.objects.update(own_protocol=0)
    assert buttons() == ["pause"]
    assert "To stop it, end the client on the machine." in page(owner, session)
    Session.objects.update(status="ended")
    assert buttons() == ["pause"]


@pytest.mark.parametrize(("before", "action"), [("pause", "resume"), ("stop", "go-on")])
def test_a_machine_that_may_go_on_is_shown_so_when_its_client_has_heard(
    owner: Client, session: Session, before: str, action: str
) -> None:
    do(owner, session, before)
    do(owner, session, action)
    assert 'role="status">is being told to go on<' in page(owner, session)
    Session.objects.update(obeys="run")
    assert 'role="status">waiting for work<' in page(owner, session)


def test_a_client_of_others_that_may_go_on_is_not_told(owner: Client, session: Session) -> None:
    Session.objects.update(own_protocol=0)
    do(owner, session, "pause")
    do(owner, session, "resume")
    assert 'role="status">waiting for work<' in page(owner, session)


@pytest.mark.parametrize("action", ["stop", "stop-now"])
def test_a_machine_whose_client_cannot_be_told_is_not_stopped(owner: Client, session: Session, action: str) -> None:
    Session.objects.update(own_protocol=1)
    assert do(owner, session, action) == ["It cannot be stopped from here: no client of Sheepfold is connected on it."]
    assert Machine.objects.get().wish == ""


def test_a_stop_that_is_taken_back_too_late_is_said_so(owner: Client, session: Session) -> None:
    Machine.objects.update(wish="stopped")
    assert do(owner, session, "go-on") == ["It had stopped before that. Start the client on it."]
    assert Machine.objects.get().wish == "stopped"


def test_a_project_is_kept_from_a_machine_and_allowed_again(owner: Client, session: Session) -> None:
    project = make_project(name="secret film", visibility=Visibility.OWNER)
    lease = renders(session, project)
    assert "Never this project here" in page(owner, session)

    do(owner, session, "block", project=project.pk)

    lease.refresh_from_db()
    assert (lease.end, statuses(project)) == (LeaseEnd.CANCELLED, [TileStatus.WAITING] * 3)
    shown = page(owner, session)
    assert "Never on this machine" in shown
    assert "its owner blocked it on the site" in shown

    do(owner, session, "allow", project=project.pk)
    assert not BlockedProject.objects.exists()
    assert "Never on this machine" not in page(owner, session)


@pytest.mark.parametrize("text", ["", "x", "-1", "²", "99999999999999999999"])
def test_what_is_no_project_is_not_found(owner: Client, session: Session, text: str) -> None:
    answer = owner.post(f"/machines/{session.machine_id}/block/", {"project": text})
    assert (answer.status_code, BlockedProject.objects.count()) == (404, 0)


def test_a_project_that_the_machine_never_had_and_its_owner_may_not_see_is_not_found(
    owner: Client, session: Session
) -> None:
    project = make_project(visibility=Visibility.OWNER)
    answer = owner.post(f"/machines/{session.machine_id}/block/", {"project": project.pk})
    assert (answer.status_code, BlockedProject.objects.count()) == (404, 0)


def test_what_the_farm_itself_keeps_from_a_machine_is_shown_with_its_reason(owner: Client, session: Session) -> None:
    project = make_project()
    block_project(machine_id=session.machine_id, project_id=project.pk, reason="this machine cannot denoise")
    assert "this machine cannot denoise" in page(owner, session)
