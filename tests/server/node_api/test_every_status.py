"""Every status for every client, as it goes over the wire. What would hurt a client is never sent to it (trap 24).

The tables here are written from what the clients do with each status, not from the farm's own table.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from sheepfold.protocol.generations import Generation
from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.switches import FarmSwitch, set_switch
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileFailure, TileStatus
from sheepfold.server.machines.actions import disable_machine
from sheepfold.server.machines.models import Machine, Session
from sheepfold.server.pipeline.steps import cancel_project
from sheepfold.server.projects.models import Project
from sheepfold.server.renderers.models import RendererArchive
from tests.e2e.clients.wire import Wire
from tests.server.conftest import Server
from tests.server.farm import make_project, make_renderer, make_session_with_token, make_user, statuses
from tests.server.node_api.machine import png

EVERYBODY = frozenset(Generation)
OLD = {Generation.JAVA_2015, Generation.JAVA_2016, Generation.JAVA_2017, Generation.JAVA_2018}
NO_BUSY_YET = {Generation.JAVA_2015, Generation.GO_2017, Generation.UNKNOWN}  # 206 and 207 came in 2016-03
NO_JOB = 200

# status -> the clients that are told 200 instead of it
HURTFUL_WORK: dict[int, frozenset[Generation]] = {
    0: frozenset(),
    200: frozenset(),
    201: frozenset(),
    202: frozenset(),
    203: frozenset(),
    205: frozenset({Generation.RUST_2024}),
    206: frozenset(NO_BUSY_YET | {Generation.RUST_2024}),
    207: frozenset(NO_BUSY_YET | {Generation.RUST_2024}),
}
# status -> the clients that are told 303 instead of it: they would freeze
FREEZING_UPLOAD: dict[int, frozenset[Generation]] = {
    0: frozenset(),
    300: frozenset(OLD),
    301: frozenset(OLD),
    302: frozenset(),
    304: frozenset(OLD),
    308: frozenset(),
}


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server.host, server.port)
    yield wire
    wire.close()


@pytest.fixture
def tokens(transactional_db: None) -> dict[Generation, str]:
    """A live session of each generation, each with its own machine and user; the cookies."""
    made = {generation: make_session_with_token(now=now()) for generation in Generation}
    for generation, (session, _) in made.items():
        Session.objects.filter(pk=session.id).update(generation=generation)
    return {generation: token for generation, (_, token) in made.items()}


def status_of(body: bytes) -> int:
    found = re.search(rb'<(?:jobrequest|jobvalidate|keepmealive|config|error) status="(\d+)"', body)
    assert found, body
    return int(found[1])


def ask(wire: Wire, token: str, body: bytes = b"<cache/>") -> bytes:
    head = f"POST /server/request_job.php?computemethod=1 HTTP/1.1\r\nHost: f\r\nCookie: sheepfold={token}\r\n"
    answer = wire.exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.status == 200
    return answer.body


def upload(wire: Wire, query: str, image: bytes) -> int:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.png"\r\n\r\n' + image + b"\r\n--b--\r\n"
    head = f"POST /server/send_frame.php?{query} HTTP/1.1\r\nHost: f\r\nContent-Length: {len(body)}\r\n"
    answer = wire.exchange(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + body)
    assert answer.status == 200
    return status_of(answer.body)


# --- job requests ---------------------------------------------------------------------------------


def work() -> None:
    make_project(tiles=len(Generation))


def nothing_to_do() -> None:
    make_renderer()


def may_not_render() -> None:
    work()
    User.objects.update(may_render=False)


def dead_sessions() -> None:
    work()
    Session.objects.update(expires_at=now())


def disabled_machines() -> None:
    work()
    for machine_id in Machine.objects.values_list("id", flat=True):
        disable_machine(machine_id=machine_id, reason="test")


def no_renderer() -> None:
    work()
    RendererArchive.objects.update(os="windows")


def maintenance() -> None:
    work()
    set_switch(switch=FarmSwitch.MAINTENANCE, on=True)


def overload() -> None:
    work()
    set_switch(switch=FarmSwitch.OVERLOADED, on=True)


SITUATIONS: dict[int, Callable[[], None]] = {
    0: work,
    200: nothing_to_do,
    201: may_not_render,
    202: dead_sessions,
    203: disabled_machines,
    205: no_renderer,
    206: maintenance,
    207: overload,
}


@pytest.fixture
def no_switches(transactional_db: None) -> Iterator[None]:
    yield
    for switch in FarmSwitch:
        set_switch(switch=switch, on=False)


@pytest.mark.parametrize("status", SITUATIONS)
def test_trap_24_job_request_status_for_every_client(
    wire: Wire, tokens: dict[Generation, str], no_switches: None, status: int
) -> None:
    SITUATIONS[status]()

    told = {generation: status_of(ask(wire, token)) for generation, token in tokens.items()}

    hurt = HURTFUL_WORK[status]
    assert told == {generation: NO_JOB if generation in hurt else status for generation in Generation}
    given = len(Generation) if status == 0 else 0
    assert Lease.objects.count() == given


def test_work_goes_on_when_a_switch_is_off_again(wire: Wire, tokens: dict[Generation, str], no_switches: None) -> None:
    maintenance()
    set_switch(switch=FarmSwitch.MAINTENANCE, on=False)

    assert {status_of(ask(wire, token)) for token in tokens.values()} == {0}


def test_trap_24_a_session_that_nobody_knows_is_told_to_log_in_again(wire: Wire, transactional_db: None) -> None:
    assert status_of(ask(wire, "unknown")) == 202


# --- uploads --------------------------------------------------------------------------------------


def leases(wire: Wire, tokens: dict[Generation, str]) -> dict[Generation, Lease]:
    """Each client has a tile of one project."""
    make_project(tiles=len(tokens))
    assert {status_of(ask(wire, token)) for token in tokens.values()} == {0}
    held = Lease.objects.select_related("session")
    return {Generation(lease.session.generation): lease for lease in held.order_by("id")}


def query_of(lease: Lease, **changes: str) -> str:
    words = {"job": str(lease.project_id), "frame": f"{lease.frame:04d}", "extras": lease.token, "rendertime": "7"}
    return "&".join(f"{name}={value}" for name, value in (words | changes).items())


def told_instead(status: int) -> dict[Generation, int]:
    return {generation: 303 if generation in FREEZING_UPLOAD[status] else status for generation in Generation}


@pytest.mark.parametrize(
    ("status", "image", "tile", "end"),
    [
        (0, png(), TileStatus.DONE, LeaseEnd.ACCEPTED),
        (302, b"no image", TileStatus.WAITING, LeaseEnd.REJECTED),
        (308, png(size=(32, 18)), TileStatus.WAITING, LeaseEnd.REJECTED),
    ],
    ids=["good", "no image", "wrong size"],
)
def test_upload_status_for_every_client(
    wire: Wire, tokens: dict[Generation, str], status: int, image: bytes, tile: TileStatus, end: LeaseEnd
) -> None:
    told = {name: upload(wire, query_of(lease), image) for name, lease in leases(wire, tokens).items()}

    assert told == told_instead(status)
    assert {(lease.end, lease.tile.status) for lease in Lease.objects.select_related("tile")} == {(end, tile)}


def test_trap_14_an_upload_that_misses_something_for_every_client(wire: Wire, tokens: dict[Generation, str]) -> None:
    held = leases(wire, tokens)

    told = {generation: upload(wire, query_of(lease, frame="0077"), png()) for generation, lease in held.items()}

    assert told == told_instead(300)
    assert set(Lease.objects.values_list("end", flat=True)) == {LeaseEnd.OPEN}


def test_trap_14_a_frame_of_one_colour_for_every_client(wire: Wire, tokens: dict[Generation, str]) -> None:
    told = {}
    for generation, token in tokens.items():
        other, other_token = make_session_with_token(now=now())
        project = make_project(tiles=2)
        for asking in (other_token, token):
            assert status_of(ask(wire, asking)) == 0
        good, black = Lease.objects.filter(project_id=project.pk).order_by("id")
        assert (good.session_id, upload(wire, query_of(good), png())) == (other.id, 0)
        told[generation] = upload(wire, query_of(black), png(constant=True))
        assert statuses(project) == [TileStatus.DONE, TileStatus.WAITING]
        project.delete()
        TileFailure.objects.all().delete()

    assert told == told_instead(301)


def test_trap_14_a_disabled_machine_for_every_client(wire: Wire, tokens: dict[Generation, str]) -> None:
    held = leases(wire, tokens)
    for lease in held.values():
        disable_machine(machine_id=lease.machine_id, reason="test")

    told = {generation: upload(wire, query_of(lease), png()) for generation, lease in held.items()}

    assert told == told_instead(304)
    assert TileStatus.DONE not in statuses(Project.objects.get())


# --- heartbeats, logins ---------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [False, True])
def test_heartbeat_status_for_every_client(wire: Wire, tokens: dict[Generation, str], stopped: bool) -> None:
    held = leases(wire, tokens)
    if stopped:
        cancel_project(project_id=Project.objects.get().pk, now=now())

    told = set()
    for generation, lease in held.items():
        target = f"/server/keepmealive.php?{query_of(lease)}"
        cookie = f"Cookie: sheepfold={tokens[generation]}"
        told.add(status_of(wire.exchange(f"GET {target} HTTP/1.1\r\nHost: f\r\n{cookie}\r\n\r\n".encode()).body))

    assert told == {400 if stopped else 0}


LOGIN = (
    "login=shepherd&password=secret&cpu_family=6&cpu_model=1&cpu_model_name=a&cpu_cores=4&os=linux&ram=1048576"
    "&bits=64bit&version=3.3.2"
)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (LOGIN, 0),
        (LOGIN.replace("version=3.3.2", "version="), 100),
        (LOGIN.replace("&version=3.3.2", ""), 100),
        (LOGIN.replace("secret", "wrong"), 102),
        (LOGIN.replace("&bits=64bit", ""), 104),
    ],
)
def test_login_status(wire: Wire, transactional_db: None, query: str, status: int) -> None:
    create_user(username="shepherd", password="secret")
    make_user()

    answer = wire.exchange(f"GET /server/config.php?{query} HTTP/1.1\r\nHost: f\r\n\r\n".encode())

    assert (answer.status, status_of(answer.body)) == (200, status)
    assert Session.objects.count() == int(status == 0)
