"""Complete sessions of ten years of clients, replayed byte for byte against the real server over a real socket."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.models import Session, SessionStatus
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.script import ScriptSettings, scene_script
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.results.models import ErrorLog, Result, Verdict
from tests.e2e.clients import CLIENTS
from tests.e2e.clients.wire import Wire
from tests.server.conftest import Server
from tests.server.farm import make_project, make_user, statuses
from tests.server.node_api import conversation
from tests.server.node_api.conversation import Names

LOGIN, PASSWORD = "ada l", "s3cret & co"
FIRST_JOB = 4242


@pytest.fixture
def project(transactional_db: None) -> Project:
    """Two frames of somebody's scene on an otherwise empty farm, always with the same ids and bytes."""
    create_user(username=LOGIN, password=PASSWORD)
    renderer = Renderer.objects.create(version="3.4.1")
    blob = record_blob(ref=store().keep_bytes(conversation.RENDERER, "application/zip"))
    for os in ("linux", "windows"):
        RendererArchive.objects.create(renderer=renderer, os=os, bits=64, blob=blob, source="test")
    return make_project(
        id=FIRST_JOB,
        owner=make_user("owner"),
        name="Forest & <meadow>",
        tiles=2,
        renderer=renderer,
        archive=record_blob(ref=store().keep_bytes(conversation.SCENE, "application/zip")),
        blend_path="scenes/forest.blend",
    )


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A connection to the farm."""
    wire = Wire(server.host, server.port)
    yield wire
    wire.close()


@pytest.mark.parametrize("generation", list(CLIENTS))
def test_recorded_session_is_answered_as_recorded(wire: Wire, project: Project, generation: str) -> None:
    names = Names()

    for request, recorded in conversation.read(generation):
        answer = wire.exchange(names.put_in(request)).raw
        names.learn(answer)
        assert names.take_out(answer) == recorded

    assert Session.objects.get().generation == generation
    _check_what_is_left(project, generation)


def _check_what_is_left(project: Project, generation: str) -> None:
    """One frame done and the failed one waiting; a client that never uploads leaves its tile to time."""
    session = Session.objects.get()
    if not CLIENTS[generation].uploads:
        assert (session.status, session.frames_done) == (SessionStatus.ACTIVE, 0)
        assert statuses(project) == [TileStatus.RENDERING, TileStatus.WAITING]
        return
    assert (session.status, session.frames_done) == (SessionStatus.ENDED, 1)
    assert statuses(project) == [TileStatus.DONE, TileStatus.WAITING]
    assert list(Result.objects.values_list("verdict", flat=True)) == [Verdict.ACCEPTED]
    reports = generation != "rust-2024"  # that one drops a failed frame without a word
    assert ErrorLog.objects.filter(project_id=project.pk, kind=12).count() == int(reports)
    ends = list(Lease.objects.order_by("id").values_list("end", flat=True))
    assert ends == [LeaseEnd.ACCEPTED, LeaseEnd.ERRORED if reports else LeaseEnd.EXPIRED]


@pytest.mark.parametrize("generation", list(CLIENTS))
def test_strict_client_sends_what_is_recorded_and_takes_every_answer(
    wire: Wire, project: Project, generation: str
) -> None:
    conversation.hold(CLIENTS[generation](wire, LOGIN, PASSWORD))

    assert Names().named(wire.exchanges) == conversation.read(generation)


def test_every_recording_is_replayed() -> None:
    assert {path.stem for path in conversation.FOLDER.glob("*.http")} == set(CLIENTS)


def test_script_of_the_recordings_is_the_farms(wire: Wire, project: Project) -> None:
    client = CLIENTS["java-2022"](wire, LOGIN, PASSWORD)
    client.login()
    client.ask()

    found = re.search(rb"<script>(.*)</script>", wire.exchanges[-1][1], re.DOTALL)

    assert found
    assert unescape(found[1].decode()) == scene_script(ScriptSettings(OutputFormat.PNG, 100))
