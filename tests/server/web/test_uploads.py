"""Uploads: resumable by tus, or as a plain form."""

from base64 import b64encode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import store
from sheepfold.server.projects import intake
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.server.farm import make_user

SCENE = b"BLENDER-v304" + bytes(range(256)) * 40


@pytest.fixture
def person(db: None) -> User:
    """Who uploads."""
    return make_user("artist")


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _announce(client: Client, name: str = "walk_cycle.blend", size: int = len(SCENE)):  # type: ignore[no-untyped-def]
    metadata = f"filename {b64encode(name.encode()).decode()}"
    return client.post("/upload/", headers={"Upload-Length": str(size), "Upload-Metadata": metadata})


def _send(client: Client, address: str, offset: int, data: bytes):  # type: ignore[no-untyped-def]
    return client.patch(
        address, data, content_type="application/offset+octet-stream", headers={"Upload-Offset": str(offset)}
    )


def test_an_upload_goes_on_where_it_broke_off(person: User) -> None:
    client = _client(person)
    answer = _announce(client)
    address = answer.headers["Location"]
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "0")
    assert _send(client, address, 0, SCENE[:1000]).headers["Upload-Offset"] == "1000"

    again = _client(person).head(address)  # another browser session, after a restart
    assert (again.status_code, again.headers["Upload-Offset"]) == (200, "1000")
    assert _send(client, address, 1000, SCENE[1000:]).status_code == 204

    project = Project.objects.get(pk=int(answer.headers["Sheepfold-Project"]))
    assert (project.status, project.name, project.owner) == (ProjectStatus.ANALYSING, "walk cycle", person)
    assert project.upload is not None
    assert store().read(project.upload.sha256) == SCENE


def test_an_upload_that_a_crash_left_complete_is_ended_by_the_next_look(person: User) -> None:
    client = _client(person)
    answer = _announce(client)
    (upload_id,) = answer.headers["Location"].removeprefix("/upload/").split("/")[:1]
    upload = intake.find_upload(owner_id=person.pk, upload_id=upload_id, now=now())
    intake.append(upload=upload, offset=0, chunks=[SCENE])  # and then the process died
    for _ in range(2):
        assert client.head(answer.headers["Location"]).headers["Upload-Offset"] == str(len(SCENE))
        assert Project.objects.get().status == ProjectStatus.ANALYSING


def test_a_piece_at_the_wrong_place_is_refused_and_changes_nothing(person: User) -> None:
    client = _client(person)
    address = _announce(client).headers["Location"]
    _send(client, address, 0, SCENE[:1000])
    assert _send(client, address, 500, b"x" * 100).status_code == 409
    assert client.head(address).headers["Upload-Offset"] == "1000"


def test_nobody_else_finds_an_upload(person: User) -> None:
    address = _announce(_client(person)).headers["Location"]
    other = _client(make_user("other"))
    assert other.head(address).status_code == 404
    assert _send(other, address, 0, SCENE[:10]).status_code == 404
    assert Client().head(address).status_code == 401
    assert _client(person).head(address).headers["Upload-Offset"] == "0"


@pytest.mark.parametrize(
    ("name", "size", "status", "words"),
    [
        ("notes.txt", 100, 422, "neither a .blend nor a .zip"),
        ("scene.blend", 0, 422, "the file is empty"),
        ("scene.blend", 1 << 50, 413, "this farm takes"),
    ],
)
def test_what_the_farm_cannot_take_is_refused_before_a_byte_is_sent(
    person: User, name: str, size: int, status: int, words: str
) -> None:
    answer = _announce(_client(person), name, size)
    assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert Project.objects.count() == 0


def test_an_upload_that_is_given_up_is_forgotten(person: User) -> None:
    client = _client(person)
    address = _announce(client).headers["Location"]
    assert client.delete(address).status_code == 204
    assert client.head(address).status_code == 404
    assert Project.objects.count() == 0


def test_without_scripts_the_form_sends_the_file_at_once(person: User) -> None:
    answer = _client(person).post("/projects/new/", {"scene": SimpleUploadedFile("walk.blend", SCENE)})
    project = Project.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/projects/{project.pk}/")
    assert project.status == ProjectStatus.ANALYSING


def test_the_form_says_what_is_wrong_with_a_file(person: User) -> None:
    answer = _client(person).post("/projects/new/", {"scene": SimpleUploadedFile("notes.txt", b"words")})
    assert answer.status_code == 422
    assert "notes.txt is neither a .blend nor a .zip" in answer.content.decode()
    assert Project.objects.count() == 0
