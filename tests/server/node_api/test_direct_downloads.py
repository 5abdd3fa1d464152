"""Large archives come from the bucket itself, for a client that can take them there; the bucket is a real one."""

import os
from collections.abc import Iterator

import pytest

from sheepfold.environment.seaweed import BUCKET, KEY_ID, SECRET, s3_server
from sheepfold.protocol.extras import Extras, format_extras
from sheepfold.server.accounts.actions import create_user
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.config import config
from sheepfold.server.core.storage import store
from sheepfold.server.node_api.archives import DIRECT_FROM
from sheepfold.server.projects.models import Project
from sheepfold.server.renderers.models import Renderer, RendererArchive
from tests.server.conftest import Server
from tests.server.farm import make_project
from tests.server.node_api.machine import Machine

SCENE, PROGRAM = os.urandom(DIRECT_FROM), os.urandom(DIRECT_FROM - 1)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store of this process is the bucket, which machines can reach."""
    values = {"URL": f"s3://{BUCKET}/x", "ENDPOINT": endpoint, "KEY_ID": KEY_ID, "SECRET": SECRET, "DIRECT": "true"}
    for name, value in values.items():
        monkeypatch.setenv(f"SHEEPFOLD_STORAGE_{name}", value)
    forget_settings()
    yield
    monkeypatch.undo()
    forget_settings()


def forget_settings() -> None:
    config.cache_clear()
    store.cache_clear()


@pytest.fixture
def project(bucket: None, transactional_db: None) -> Project:
    user = create_user(username="shepherd", password="secret")
    scene, program = (record_blob(ref=store().keep_bytes(data, "application/zip")) for data in (SCENE, PROGRAM))
    renderer = Renderer.objects.create(version="4.5.0")
    RendererArchive.objects.create(renderer=renderer, os="linux", bits=64, blob=program, source="test")
    return make_project(tiles=1, owner=user, renderer=renderer, archive=scene)


def log_in(server: Server, *, own: bool) -> Machine:
    machine = Machine(server)
    machine.hardware |= {"extras": format_extras(Extras())} if own else {}
    machine.config()
    machine.job()
    return machine


def test_our_client_is_sent_to_the_bucket_for_a_large_archive(server: Server, project: Project, endpoint: str) -> None:
    answer = log_in(server, own=True).request("GET", f"/server/archive.php?type=job&job={project.pk}")
    assert (answer.status, answer.body) == (307, b"")
    place = answer.header("location") or ""
    assert place.startswith(f"{endpoint}/{BUCKET}/x/")
    assert "X-Amz-Expires=3600" in place


@pytest.mark.parametrize(
    ("own", "query", "content"),
    [(False, "type=job", SCENE), (True, "type=binary", PROGRAM), (True, "type=job&direct=0", SCENE)],
    ids=["another client", "a small archive", "a client that cannot reach the bucket"],
)
def test_all_others_get_the_bytes_from_the_farm(
    server: Server, project: Project, own: bool, query: str, content: bytes
) -> None:
    answer = log_in(server, own=own).request("GET", f"/server/archive.php?{query}&job={project.pk}")
    assert (answer.status, answer.header("content-length"), answer.body) == (200, str(len(content)), content)


def test_nothing_is_sent_elsewhere_unless_the_operator_says_so(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHEEPFOLD_STORAGE_DIRECT")
    forget_settings()
    answer = log_in(server, own=True).request("GET", f"/server/archive.php?type=job&job={project.pk}")
    assert (answer.status, answer.body) == (200, SCENE)


def test_who_holds_no_tile_gets_no_address(server: Server, project: Project) -> None:
    machine = Machine(server)
    machine.hardware["extras"] = format_extras(Extras())
    machine.config()
    answer = machine.request("GET", f"/server/archive.php?type=job&job={project.pk}")
    assert (answer.status, answer.header("location")) == (404, None)
