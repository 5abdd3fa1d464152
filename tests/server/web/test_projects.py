"""What an owner does with a project on the site."""

from dataclasses import dataclass

import pytest
from django.core import mail
from django.test import Client

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.models import AuditEntry
from sheepfold.server.core.storage import store
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.outputs.models import Video, VideoStatus
from sheepfold.server.projects.models import FrameOrder, Project, ProjectStatus, Visibility
from tests.server.farm import statuses
from tests.server.web.world import World

SETTINGS = {
    "name": "The walk",
    "frames": "1-4,7",
    "percentage": "50",
    "samples": "",
    "output_format": "OPEN_EXR",
    "fps": "25",
    "device": "both",
    "order": "inwards",
    "visibility": "group",
    "group": "",
    "priority": "40",
    "min_memory_gib": "2",
    "max_minutes": "",
}


def client_of(world: World, role: str = "owner") -> Client:
    """Somebody who is signed in."""
    client, person = Client(), world.people[role]
    if person is not None:
        client.force_login(person)
    return client


def at(world: World, page: str = "") -> str:
    """An address of the project."""
    return f"/projects/{world.project.pk}/{page}"


@pytest.fixture
def ready(world: World) -> World:
    """The project before its start."""
    world.project.tiles.all().delete()
    Project.objects.filter(pk=world.project.pk).update(status=ProjectStatus.READY, facts={"width": 200, "height": 100})
    return world


def test_settings_are_kept_and_the_project_starts(ready: World) -> None:
    answer = client_of(ready).post(at(ready, "settings/"), {**SETTINGS, "group": str(ready.group.pk), "start": "1"})
    project = Project.objects.get(pk=ready.project.pk)
    assert (answer.status_code, answer.headers["Location"]) == (302, at(ready))
    assert (project.status, project.name, project.frames) == (ProjectStatus.RENDERING, "The walk", "1-4,7")
    assert (project.width, project.height, project.output_format, project.fps) == (100, 50, "OPEN_EXR", 25)
    assert (project.use_cpu, project.use_gpu, project.order) == (True, True, FrameOrder.INWARDS)
    assert (project.visibility, project.min_ram_kib, project.samples) == (Visibility.GROUP, 2 << 20, None)
    assert statuses(project) == [TileStatus.WAITING] * 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"frames": "4-1"}, "the frames go upwards"),
        ({"frames": "first"}, "is no frame range"),
        ({"percentage": "0"}, "greater than or equal to 1"),
        ({"priority": "90"}, "is the highest that you may set"),
        ({"group": "999999"}, "is not one of the available choices"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_changes(ready: World, wrong: dict[str, str], words: str) -> None:
    before = Project.objects.filter(pk=ready.project.pk).values().get()
    answer = client_of(ready).post(at(ready, "settings/"), {**SETTINGS, **wrong, "start": "1"})
    assert answer.status_code in {403, 422}
    assert words in answer.content.decode()
    assert Project.objects.filter(pk=ready.project.pk).values().get() == before


@pytest.mark.parametrize(("role", "status"), [("visitor", 302), ("stranger", 404), ("member", 403), ("owner", 302)])
def test_only_those_who_may_change_settings(ready: World, role: str, status: int) -> None:
    answer = client_of(ready, role).post(at(ready, "settings/"), SETTINGS)
    name = Project.objects.get(pk=ready.project.pk).name
    assert answer.status_code == status
    assert name == ("The walk" if role == "owner" else ready.project.name)


def test_the_owner_says_which_of_several_scenes_is_meant(world: World) -> None:
    choices = [{"kind": "choose", "text": "?", "choice": path} for path in ("a.blend", "b/c.blend")]
    Project.objects.filter(pk=world.project.pk).update(status=ProjectStatus.ANALYSING, problems=choices, blend_path="")
    assert "b/c.blend" in client_of(world).get(at(world)).content.decode()
    assert client_of(world, "member").post(at(world, "scene/"), {"blend": "b/c.blend"}).status_code == 403
    assert client_of(world).post(at(world, "scene/"), {"blend": "b/c.blend"}).status_code == 302
    project = Project.objects.get(pk=world.project.pk)
    assert (project.blend_path, project.problems) == ("b/c.blend", [])


def test_a_rejected_scene_says_why(world: World) -> None:
    Project.objects.filter(pk=world.project.pk).update(status=ProjectStatus.REJECTED, reason="it has no camera")
    assert "It has no camera" in client_of(world).get(at(world)).content.decode()


def test_a_paused_project_goes_on(world: World) -> None:
    client_of(world).post(at(world, "pause/"))
    assert Project.objects.get(pk=world.project.pk).status == ProjectStatus.PAUSED
    assert client_of(world, "member").post(at(world, "resume/")).status_code == 403
    assert client_of(world).post(at(world, "resume/")).status_code == 302
    assert Project.objects.get(pk=world.project.pk).status == ProjectStatus.RENDERING


def test_what_is_deleted_is_gone_for_others_and_can_be_taken_back(world: World) -> None:
    assert "Undo" in client_of(world).post(at(world, "delete/")).content.decode()
    assert client_of(world, "member").get(at(world)).status_code == 404
    assert Client().get(f"/s/{world.link_secret}/").status_code == 404
    assert world.project.name in client_of(world).get("/projects/?show=bin").content.decode()
    assert client_of(world, "group admin").post(at(world, "restore/")).status_code == 404
    assert client_of(world).post(at(world, "restore/")).status_code == 302
    assert client_of(world, "member").get(at(world)).status_code == 200


def test_chosen_frames_are_rendered_again(world: World) -> None:
    client_of(world).post(at(world, "again/"), {"frames": "1"})
    assert statuses(world.project) == [TileStatus.WAITING] * 3


def test_what_is_wrong_with_a_range_is_said(world: World) -> None:
    answer = client_of(world).post(at(world, "extend/"), {"frames": "1-3"})
    assert (answer.status_code, "has all of these frames already" in answer.content.decode()) == (422, True)
    assert len(statuses(world.project)) == 3


def test_changes_are_noted_with_who_made_them(world: World) -> None:
    client_of(world, "group admin").post(at(world, "pause/"))
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == (world.people["group admin"], "pause project")
    assert str(world.project.pk) in entry.subject


def test_the_grid_gets_every_frame_in_a_compact_form(world: World) -> None:
    data = client_of(world).get(at(world, "frames.json")).json()
    assert (data["runs"], data["states"], data["counts"]) == ([[1, 3]], "dww", {"w": 2, "r": 0, "d": 1, "f": 0, "c": 0})
    assert [row[0] for row in data["done"]] == [1]
    assert data["machines"] == {str(world.machine.pk): "tower"}


def test_a_film_is_sent_in_ranges(world: World) -> None:
    assert client_of(world).get(at(world, "video/")).status_code == 404
    blob = record_blob(ref=store().keep_bytes(bytes(range(100)), "video/mp4"))
    Video.objects.create(project=world.project, blob=blob, status=VideoStatus.DONE)
    whole = client_of(world).get(at(world, "video/"))
    assert (whole.status_code, whole.headers["Content-Length"], whole.content) == (200, "100", bytes(range(100)))
    part = client_of(world).get(at(world, "video/"), headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.headers["Content-Range"]) == (206, "bytes 10-19/100")
    assert client_of(world, "stranger").get(at(world, "video/")).status_code == 404


@dataclass(frozen=True)
class Guest:
    """Somebody outside the group."""

    user: User
    client: Client


@pytest.fixture
def guest(db: None) -> Guest:
    """Signed in."""
    user = create_user(username="cy", password=None)
    client = Client()
    client.force_login(user)
    return Guest(user, client)


def test_a_project_is_shared_with_a_person_and_taken_back(world: World, guest: Guest) -> None:
    assert guest.client.get(at(world)).status_code == 404
    client_of(world).post(at(world, "share/user/"), {"username": "cy"})
    assert guest.client.get(at(world)).status_code == 200
    assert guest.client.post(at(world, "pause/")).status_code == 403
    share = world.project.shares.get(user=guest.user)
    client_of(world).post(at(world, f"share/{share.pk}/end/"))
    assert guest.client.get(at(world)).status_code == 404


def test_a_link_that_was_ended_shows_nothing(world: World) -> None:
    assert Client().get(f"/s/{world.link_secret}/").status_code == 200
    client_of(world).post(at(world, f"share/links/{world.link.pk}/end/"))
    assert Client().get(f"/s/{world.link_secret}/").status_code == 404


def test_a_forgotten_password_is_set_anew_by_mail(db: None) -> None:
    create_user(username="ada", password="quiet-meadow-7", email="ada@farm.example")
    client = Client()
    client.post("/accounts/password/reset/", {"email": "ada@farm.example"})
    (link,) = [word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word]
    page = client.get(link.partition("testserver")[2], follow=True)
    path = page.redirect_chain[-1][0]
    client.post(path, {"password1": "another-meadow-8", "password2": "another-meadow-8"})
    assert User.objects.get().check_password("another-meadow-8")


def test_guests_of_a_link_learn_nothing_of_machines(world: World) -> None:
    guest, base = Client(), f"/s/{world.link_secret}/"
    pages = [
        guest.get(base + page).content.decode() for page in ("", "frames.json", "frames/1/", "frames/2/", "frames/")
    ]
    assert [page for page in pages if world.machine.name in page] == []
    assert world.machine.name in client_of(world, "member").get(at(world, "frames/1/")).content.decode()
