"""Archives over a real socket: whole, in part, with their length and their md5."""

import contextlib
import gc
import hashlib
import http.client
import os
import socket
import threading

import psutil
import pytest

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core import zero_copy
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store
from sheepfold.server.projects.models import Project
from sheepfold.server.renderers.models import Renderer, RendererArchive
from tests.e2e.running import wait_until
from tests.server.conftest import Server
from tests.server.farm import make_project
from tests.server.node_api.machine import Machine

SCENE = bytes(range(256)) * 8192  # 2 MiB: clients of 2020 stumble above 1 MiB without a length
PROGRAM = b"a renderer archive"


def kept(content: bytes) -> Blob:
    return record_blob(ref=store().keep_bytes(content, "application/zip"))


@pytest.fixture
def user(transactional_db: None) -> User:
    return create_user(username="shepherd", password="secret")


@pytest.fixture
def project(user: User) -> Project:
    renderer = Renderer.objects.create(version="4.5.0")
    RendererArchive.objects.create(renderer=renderer, os="linux", bits=64, blob=kept(PROGRAM), source="test")
    return make_project(tiles=1, owner=user, renderer=renderer, archive=kept(SCENE), revision=3)


@pytest.fixture
def machine(server: Server, project: Project) -> Machine:
    """With a tile of the project."""
    machine = Machine(server)
    machine.config()
    machine.job()
    return machine


def test_both_archives_come_with_their_length_and_the_announced_md5(machine: Machine, project: Project) -> None:
    scene = machine.request("GET", f"/server/archive.php?type=job&job={project.pk}&revision=3")
    renderer = machine.request("GET", f"/server/archive.php?type=binary&job={project.pk}")

    assert (scene.status, scene.header("content-length"), scene.body) == (200, str(len(SCENE)), SCENE)
    assert scene.header("content-encoding") is None
    assert (renderer.status, renderer.body) == (200, PROGRAM)


def test_an_archive_is_asked_for_by_post_as_well(machine: Machine, project: Project) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = machine.request("POST", "/server/archive.php", f"type=job&job={project.pk}".encode(), form)

    assert (answer.status, answer.body) == (200, SCENE)


def test_an_archive_that_the_store_has_lost_is_a_404_from_its_first_byte(
    machine: Machine, project: Project, exceptions: list[str]
) -> None:
    store().delete(str(project.archive_id))

    answer = machine.request("GET", f"/server/archive.php?type=job&job={project.pk}")

    assert (answer.status, answer.body) == (404, b"")
    assert exceptions == []


def test_a_broken_download_goes_on_where_it_stopped(machine: Machine, project: Project) -> None:
    target = f"/server/archive.php?type=job&job={project.pk}"
    answer = machine.request("GET", target, headers={"Range": "bytes=1000000-"})

    assert answer.status == 206
    assert answer.header("content-range") == f"bytes 1000000-{len(SCENE) - 1}/{len(SCENE)}"
    assert answer.body == SCENE[1_000_000:]


def test_the_chunk_of_a_scene_is_the_whole_archive(machine: Machine) -> None:
    answer = machine.request("GET", f"/server/chunk.php?chunk={hashlib.md5(SCENE).hexdigest()}")

    assert (answer.status, answer.body) == (200, SCENE)


@pytest.mark.parametrize("query", ["type=job&job={}&revision=2", "type=movie&job={}", "type=job&job=1{}", "type=job"])
def test_what_is_not_there_is_404(machine: Machine, project: Project, query: str) -> None:
    answer = machine.request("GET", f"/server/archive.php?{query.format(project.pk)}")

    assert (answer.status, answer.body) == (404, b"")


def test_without_a_tile_of_the_project_or_without_a_session_it_is_404(server: Server, project: Project) -> None:
    target = f"/server/archive.php?type=job&job={project.pk}"
    idle = Machine(server)
    idle.config()

    assert idle.request("GET", target).status == 404
    assert Machine(server).request("GET", target).status == 404


LARGE = os.urandom(1 << 20) * 24  # bytes; more than the buffers of a connection hold


@pytest.fixture
def large(machine: Machine, project: Project) -> str:
    """Where the machine finds a large scene."""
    Project.objects.filter(pk=project.pk).update(archive=kept(LARGE))
    return f"/server/archive.php?type=job&job={project.pk}"


def begin(machine: Machine, target: str) -> socket.socket:
    """Ask for an archive and read the first bytes of the answer. The connection's own buffer is small."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((machine.server.host, machine.server.port))
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: farm\r\nCookie: {machine.cookie}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def open_files() -> int:
    return psutil.Process().num_fds()


def open_archives() -> int:
    """Files of the store that are being sent."""
    return sum("/blobs/" in file.path for file in psutil.Process().open_files())


def test_a_large_archive_comes_whole_and_its_connection_goes_on(machine: Machine, large: str) -> None:
    connection = http.client.HTTPConnection(machine.server.host, machine.server.port, timeout=30)
    connection.request("GET", large, headers={"Cookie": machine.cookie})
    first = connection.getresponse().read()
    connection.request("GET", large, headers={"Cookie": machine.cookie, "Range": "bytes=-7"})
    last = connection.getresponse()

    assert first == LARGE
    assert (last.status, last.read()) == (206, LARGE[-7:])


def test_a_part_of_another_archive_is_not_wanted(machine: Machine, large: str) -> None:
    mark = machine.request("GET", large, headers={"Range": "bytes=0-0"}).header("etag")
    headers = {"Range": "bytes=5-9", "If-Range": '"of another time"'}
    other = machine.request("GET", large, headers=headers)
    same = machine.request("GET", large, headers={**headers, "If-Range": str(mark)})

    assert mark == f'"{hashlib.md5(LARGE).hexdigest()}"'
    assert (other.status, other.body) == (200, LARGE)
    assert (same.status, same.body) == (206, LARGE[5:10])


def test_a_part_beyond_the_end_is_refused(machine: Machine, large: str) -> None:
    answer = machine.request("GET", large, headers={"Range": f"bytes={len(LARGE)}-"})

    assert (answer.status, answer.header("content-range")) == (416, f"bytes */{len(LARGE)}")


def test_a_machine_that_goes_away_leaves_nothing_open(machine: Machine, large: str, exceptions: list[str]) -> None:
    machine.request("GET", large)
    gc.collect()  # what earlier tests left open must not be counted
    before = open_files()
    connections = [begin(machine, large) for _ in range(8)]
    wait_until(lambda: open_archives() == 8, "all eight are being sent")
    for connection in connections:
        connection.close()

    wait_until(lambda: open_files() <= before, "the farm closes what it had opened")
    assert machine.request("GET", large).body == LARGE
    assert exceptions == []


def test_a_machine_that_takes_nothing_is_cut_off(
    machine: Machine, large: str, monkeypatch: pytest.MonkeyPatch, exceptions: list[str]
) -> None:
    monkeypatch.setattr(zero_copy, "SILENT_SECONDS", 0.1)
    given_up, gone = threading.Event(), zero_copy.KernelSend._gone
    monkeypatch.setattr(zero_copy.KernelSend, "_gone", lambda sending: (given_up.set(), gone(sending))[1])
    with begin(machine, large) as connection:
        assert given_up.wait(60)
        came = 0
        with contextlib.suppress(ConnectionResetError):
            while received := len(connection.recv(1 << 20)):
                came += received

    assert came < len(LARGE)
    assert exceptions == []
