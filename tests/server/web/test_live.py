"""Live updates over a real socket: what changes reaches the page by itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

from django.db import transaction
from django.test import Client

from sheepfold.server.core.events import publish
from tests.server.conftest import Server
from tests.server.web.world import World, finish_frame

PATIENCE = 20  # seconds; only a broken stream waits so long


@contextmanager
def _stream(server: Server, path: str, client: Client | None = None) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(server.host, server.port, timeout=PATIENCE)
    cookies = client.cookies.output(header="", sep=";").strip() if client else ""
    connection.request("GET", path, headers={"Cookie": cookies})
    with connection.getresponse() as response:  # else the socket stays open
        yield response
    connection.close()


def _next(response: HTTPResponse, kind: str) -> dict[str, object]:
    """The data of the next message of a kind."""
    seen = ""
    while raw := response.readline():
        line = raw.decode().strip("\n")
        if line.startswith("event: "):
            seen = line.removeprefix("event: ")
        if line.startswith("data: ") and seen == kind:
            return json.loads(line.removeprefix("data: "))  # type: ignore[no-any-return]
    raise AssertionError("the stream ended")


def _signed_in(world: World, role: str) -> Client:
    client = Client()
    person = world.people[role]
    assert person is not None
    client.force_login(person)
    return client


def test_an_accepted_frame_reaches_the_page(server: Server, lasting_world: World) -> None:
    world = lasting_world
    with _stream(server, f"/projects/{world.project.pk}/live/", _signed_in(world, "member")) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        first = _next(response, "frames")
        assert first["counts"] == {"w": 2, "r": 0, "d": 1, "f": 0, "c": 0}
        with transaction.atomic():
            result = finish_frame(world.project, world.machine, 2)
            publish(topic=f"project:{world.project.pk}", kind="frame", reference="2")
        news = _next(response, "frames")
    assert [2, result.pk, 2.5, world.machine.pk] in news["done"]  # type: ignore[operator]
    assert news["counts"] == {"w": 1, "r": 0, "d": 2, "f": 0, "c": 0}


def test_a_change_of_the_project_is_told(server: Server, lasting_world: World) -> None:
    world = lasting_world
    with _stream(server, f"/s/{world.link_secret}/live/") as response:
        _next(response, "frames")
        publish(topic=f"project:{world.project.pk}", kind="project")
        assert _next(response, "project") == {"kind": "project"}


def test_the_machines_page_hears_of_machines(server: Server, lasting_world: World) -> None:
    client = _signed_in(lasting_world, "owner")
    with (
        _stream(server, f"/projects/{lasting_world.project.pk}/live/", client) as other,
        _stream(server, "/live/machines/", client) as response,
    ):
        _next(other, "frames")  # the process follows events by now
        assert response.readline() == b": alive\n"
        publish(topic="machines", kind="session", reference="1")
        assert _next(response, "machines") == {}


def test_nobody_listens_to_what_they_may_not_see(server: Server, lasting_world: World) -> None:
    world = lasting_world
    paths = [f"/projects/{world.project.pk}/live/", "/projects/999999/live/", "/s/wrong/live/"]
    for path in paths:
        with _stream(server, path, _signed_in(world, "stranger")) as response:
            assert (response.status, response.read()) == (404, b""), path
