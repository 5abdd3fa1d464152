"""The known traps of ten years of clients, by number, at the HTTP edge: a real server and strict clients."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db.models import F

from sheepfold.protocol.codes import UploadStatus, WorkStatus
from sheepfold.server.accounts.actions import create_render_key, create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileFailure, TileStatus
from sheepfold.server.machines.models import Machine, Session, SessionStatus
from sheepfold.server.node_api.app import ENDPOINTS
from sheepfold.server.pipeline.heartbeats import expire_due
from sheepfold.server.pipeline.steps import cancel_project
from sheepfold.server.projects.models import FIRST_PROJECT_ID, Project
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.results.models import ErrorLog, PointsEntry, Result
from tests.e2e.clients import CLIENTS
from tests.e2e.clients.client import Client, Job
from tests.e2e.clients.java_okhttp import Java2022
from tests.e2e.clients.java_url import Java2015, Java2016, Java2020April
from tests.e2e.clients.rust_2024 import Rust2024
from tests.e2e.clients.wire import Answer, Unusable, Wire
from tests.server.conftest import Server
from tests.server.farm import make_blob, make_project, make_user, statuses
from tests.server.node_api.machine import png

ARCHIVES = {"/server/archive.php", "/server/binary.php", "/server/chunk.php"}  # answered with a file or 404
UPLOADERS = [name for name, client in CLIENTS.items() if client.uploads]
LoggedIn = Callable[..., Client]


@pytest.fixture
def user(transactional_db: None) -> User:
    return create_user(username="shepherd", password="secret")


@pytest.fixture
def project(user: User) -> Project:
    """A waiting frame for every client, with archives for Linux and Windows that lie in the store."""
    renderer = Renderer.objects.create(version="3.4.1")
    blob = record_blob(ref=store().keep_bytes(b"a renderer", "application/zip"))
    for os in ("linux", "windows"):
        RendererArchive.objects.create(renderer=renderer, os=os, bits=64, blob=blob, source="test")
    scene = record_blob(ref=store().keep_bytes(b"a scene", "application/zip"))
    return make_project(tiles=12, name="Sheep & <dogs>", renderer=renderer, archive=scene)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server.host, server.port)
    yield wire
    wire.close()


@pytest.fixture
def key(user: User) -> str:
    """A render key: checking a password takes a while, on purpose."""
    return create_render_key(user=user, name="every machine")[1]


@pytest.fixture
def logged_in(wire: Wire, key: str) -> LoggedIn:
    """Makes a client of a generation that has logged in."""

    def make(kind: type[Client] | str, password: str = key) -> Client:
        client = (CLIENTS[kind] if isinstance(kind, str) else kind)(wire, "shepherd", password)
        client.login()
        return client

    return make


def job_of(client: Client) -> Job:
    job = client.ask()
    assert job is not None
    return job


def get(wire: Wire, target: str, headers: str = "") -> Answer:
    return wire.exchange(f"GET {target} HTTP/1.1\r\nHost: farm.example\r\n{headers}\r\n".encode())


def post(wire: Wire, target: str, body: bytes = b"", headers: str = "") -> Answer:
    head = f"POST {target} HTTP/1.1\r\nHost: farm.example\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return wire.exchange(head.encode() + body)


# --- answers --------------------------------------------------------------------------------------


def test_traps_1_2_3_4_8_9_12_20_every_strict_client_logs_in_and_takes_a_job(
    logged_in: LoggedIn, project: Project
) -> None:
    clients = {generation: logged_in(generation) for generation in CLIENTS}

    jobs = {generation: job_of(client) for generation, client in clients.items()}

    assert {generation: job.id for generation, job in jobs.items()} == dict.fromkeys(CLIENTS, str(project.pk))
    assert [job.frame for job in jobs.values()] == [f"{frame:04d}" for frame in range(1, 12)]
    assert project.pk >= FIRST_PROJECT_ID >= 20
    assert not [path for client in clients.values() for path in client.paths.values() if "?" in path]


def test_trap_4_the_key_of_the_answer_is_a_password_from_then_on(logged_in: LoggedIn, user: User) -> None:
    for generation in CLIENTS:
        client = logged_in(generation, "secret")
        welcome = [answer for _, answer in client.wire.exchanges if b"publickey=" in answer][-1]
        client.password = welcome.partition(b'publickey="')[2].partition(b'"')[0].decode()
        client.login()

    assert Session.objects.count() == 2 * len(CLIENTS)
    assert Session.objects.values("machine").distinct().count() == len(CLIENTS)


def test_trap_5_one_set_cookie_in_exactly_this_case(logged_in: LoggedIn) -> None:
    client = logged_in(Java2015)

    lines = client.wire.exchanges[0][1].split(b"\r\n\r\n")[0].split(b"\r\n")

    assert [line.partition(b":")[0] for line in lines if line.lower().startswith(b"set-cookie:")] == [b"Set-Cookie"]


@pytest.mark.parametrize(
    "form",
    ["{0}; path=/; HttpOnly", "{0}", "other=1; {0}", "{0}; Path=/; Secure; SameSite=Lax; expires=Thu, 01 Jan 2032"],
)
def test_trap_5_a_cookie_that_comes_back_with_its_attributes_is_understood(
    logged_in: LoggedIn, project: Project, form: str
) -> None:
    client = logged_in(Java2015)
    assert isinstance(client, Java2015)
    client.cookie = form.format(client.cookie.partition(";")[0])

    assert job_of(client).id == str(project.pk)


def test_traps_6_25_27_every_answer_is_xml_with_http_200_and_no_redirect_even_to_nonsense(
    wire: Wire, user: User
) -> None:
    answers = {
        (path, method): get(wire, f"{path}?nonsense=1") if method == "GET" else post(wire, path, b"nonsense=1")
        for path in set(ENDPOINTS) - ARCHIVES
        for method in ("GET", "POST")
    }

    told = {key: (answer.status, answer.any_case("content-type")) for key, answer in answers.items()}
    assert told == dict.fromkeys(answers, (200, ["text/xml; charset=utf-8"]))


def test_traps_7_27_doubled_slashes_are_served_like_single_ones(wire: Wire, user: User) -> None:
    for path in ENDPOINTS:
        single, doubled = post(wire, path), post(wire, f"/{path}")

        assert (doubled.status, doubled.body) == (single.status, single.body)
        assert doubled.any_case("location") == []


def test_trap_7_the_heartbeat_of_2015_goes_to_a_fixed_path(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Java2015)
    job = job_of(client)
    client.paths["keepmealive"] = "/never/asked.php"

    assert client.beat(job, 61, 120) == 0

    assert client.wire.exchanges[-1][0].startswith(b"GET /server/keepmealive.php?frame=0001&job=")
    assert b"; path=/; HttpOnly\r\n" in client.wire.exchanges[-1][0]
    assert list(Lease.objects.values_list("begun", "rendertime", "remainingtime")) == [(True, 61, 120)]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "farm.example", "[::1]:9000"])
def test_trap_9_the_frame_goes_to_an_absolute_address_that_says_it_all(
    wire: Wire, logged_in: LoggedIn, project: Project, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.e2e.clients.java_url.HOST", host)
    job = job_of(logged_in(Java2020April))

    assert job.upload_url == f"http://{host}/server/send_frame.php?job={project.pk}&frame=0001&extras={job.extras}"
    assert job.extras == Lease.objects.get().token


# --- requests -------------------------------------------------------------------------------------


def test_trap_10_the_list_of_archives_is_read_under_a_form_content_type(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Java2015)
    unwanted = hashlib.md5(b"an old scene").hexdigest()
    client.archives = {unwanted: b"", "a" * 32: b""}

    job_of(client)

    assert client.archives == {}
    assert b'<file md5="' + unwanted.encode() + b'" action="delete"/>' in client.wire.exchanges[-1][1]


def test_trap_10_a_wanted_archive_is_not_deleted(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Java2015)
    job = job_of(client)
    client.fetch(job)

    client.ask()

    assert set(client.archives) == {job.renderer_md5, job.archive_md5}


def test_trap_10_a_job_is_given_without_a_body_and_by_get(logged_in: LoggedIn, project: Project) -> None:
    assert [job_of(logged_in(generation)).id for generation in ("rust-2024", "go-2017")] == [str(project.pk)] * 2


def test_trap_11_every_form_of_multipart_is_read(logged_in: LoggedIn, project: Project) -> None:
    generations = ["java-2015", "java-2022", "rust-2024"]

    for seed, generation in enumerate(generations):
        client = logged_in(generation)
        assert client.upload(job_of(client), png(seed=seed), 7, 1000) == UploadStatus.OK

    kept = [store().read(sha256 or "") for sha256 in Result.objects.order_by("id").values_list("blob_id", flat=True)]
    assert kept == [png(seed=seed) for seed in range(len(generations))]
    assert statuses(project)[:4] == [TileStatus.DONE] * 3 + [TileStatus.WAITING]


def test_trap_13_a_large_archive_has_its_length_and_is_not_compressed(
    wire: Wire, logged_in: LoggedIn, project: Project
) -> None:
    zeros = bytes(3 << 20)
    archive = record_blob(ref=store().keep_bytes(zeros, "application/zip"))
    Project.objects.update(archive=archive)
    client = logged_in(Java2022)
    job = job_of(client)

    client.fetch(job)

    head = wire.exchanges[-1][1].partition(b"\r\n\r\n")[0].lower()
    assert b"content-length: 3145728" in head
    assert b"content-encoding" not in head
    assert job.archive_md5 == hashlib.md5(zeros).hexdigest()
    assert client.archives[job.archive_md5] == zeros


# --- frames that clients lose ---------------------------------------------------------------------


def test_trap_14_a_frame_that_the_client_will_forget_waits_for_another_machine_at_once(
    logged_in: LoggedIn, project: Project
) -> None:
    for generation in UPLOADERS:
        client = logged_in(generation)
        job = job_of(client)

        assert client.upload(job, b"no image", 7, 1000) == UploadStatus.NOT_AN_IMAGE
        assert set(statuses(project)) == {TileStatus.WAITING}
        TileFailure.objects.all().delete()  # three machines would fail the tile for good

    assert set(Lease.objects.values_list("end", flat=True)) == {LeaseEnd.REJECTED}


@pytest.mark.parametrize("generation", ["java-2015", "java-2022", "rust-2024"])
def test_trap_15_a_stopped_tile_is_free_without_a_report(
    logged_in: LoggedIn, project: Project, generation: str
) -> None:
    client = logged_in(generation)
    job = job_of(client)
    client.ask()

    cancel_project(project_id=project.pk, now=now())

    assert client.beat(job, 61, 120) == (0 if generation == "rust-2024" else 400)
    assert Lease.objects.exclude(end=LeaseEnd.CANCELLED).count() == 0
    assert set(statuses(project)) == {TileStatus.CANCELLED}


def test_trap_15_a_client_that_cannot_be_stopped_sends_its_frame_in_vain(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Rust2024)
    job = job_of(client)
    cancel_project(project_id=project.pk, now=now())

    assert client.upload(job, png(), 7, 1000) == UploadStatus.OK

    assert set(statuses(project)) == {TileStatus.CANCELLED}
    assert PointsEntry.objects.count() == 0


def be_silent(minutes: float) -> None:
    """As if nothing had been heard of the session for so long."""
    silence = timedelta(minutes=minutes)
    Session.objects.update(heard_at=F("heard_at") - silence, expires_at=F("expires_at") - silence)
    expire_due(now=now())


def test_trap_16_every_session_outlives_17_minutes_of_silence(logged_in: LoggedIn, project: Project) -> None:
    foreign = [logged_in(generation) for generation in CLIENTS if generation != "sheepfold"]
    jobs = [job_of(client) for client in foreign]

    be_silent(17)

    assert [client.beat(job, 1020, 60) for client, job in zip(foreign, jobs, strict=True)] == [0] * 10
    assert statuses(project)[:10] == [TileStatus.RENDERING] * 10
    assert set(Session.objects.values_list("status", flat=True)) == {SessionStatus.ACTIVE}


def test_trap_16_a_machine_that_vanished_gives_its_tiles_back(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Java2022)
    job_of(client)

    be_silent(21)

    assert statuses(project)[0] == TileStatus.WAITING
    with pytest.raises(Unusable, match=f"status {int(WorkStatus.SESSION_DEAD)}"):
        client.ask()


ODD_REPORTS = {
    "type=": -1,
    "type=0": 0,
    "type=0&render_time=-1": 0,
    "type=9999": 9999,
    "": -1,
    "type=12&frame=0001&job=77&render_time=3": 12,
}


def test_trap_17_an_error_post_without_a_tile_is_kept_and_changes_nothing(
    logged_in: LoggedIn, project: Project
) -> None:
    client = logged_in(Java2015)
    assert isinstance(client, Java2015)
    job_of(client)

    for query in ODD_REPORTS:
        answer = client.post_file(f"/server/error.php?{query}", "farm_1433860000", b"log")
        assert (answer.status, answer.body.splitlines()[-1]) == (200, b'<error status="0"/>')

    assert list(ErrorLog.objects.order_by("id").values_list("kind", flat=True)) == list(ODD_REPORTS.values())
    assert list(ErrorLog.objects.values_list("project_id", "tile_id").distinct()) == [(None, None)]
    assert {store().read(sha256 or "") for sha256 in ErrorLog.objects.values_list("blob_id", flat=True)} == {b"log"}
    assert Lease.objects.get().end == LeaseEnd.OPEN


@pytest.mark.parametrize("generation", ["java-2015", "java-2022"])
def test_trap_17_a_report_about_an_accepted_frame_changes_nothing_but_the_log(
    logged_in: LoggedIn, project: Project, generation: str
) -> None:
    client = logged_in(generation)
    assert isinstance(client, Java2015)
    job = job_of(client)
    client.upload(job, png(), 7, 1000)

    assert client.report(job, "101", 7, b"log") == 200

    assert statuses(project)[0] == TileStatus.DONE
    assert Lease.objects.get().end == LeaseEnd.ACCEPTED
    assert ErrorLog.objects.filter(kind=101).count() == 1


# --- odd values, several tiles --------------------------------------------------------------------


ODD_HARDWARE = (
    {"os": "macos"},
    {"os": "macm1"},
    {"os": "freebsd"},
    {"headless": "true"},
    {"headless": "0"},
    {"hostname": ""},
    {"hwid": "unknown"},
    {"hwid": "1"},
    {"cpu_model": "Unknown"},
    {"version": "weird version"},
    {"ram": "8589934592"},
)


def test_trap_18_odd_hardware_is_welcome(wire: Wire, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for changes in ODD_HARDWARE:
        client = Java2022(wire, "shepherd", key)
        words = list((dict(client.login_parameters()) | changes).items())
        monkeypatch.setattr(client, "login_parameters", lambda words=words: words)
        client.login()

    assert Session.objects.count() == len(ODD_HARDWARE)


def test_trap_18_a_java_client_without_a_version_is_welcome(wire: Wire, key: str) -> None:
    client = Java2015(wire, "shepherd", key)
    client.version = ""

    client.login()

    assert Machine.objects.get().client == "SheepIt unnumbered"


def test_trap_18_unset_limits_get_a_job(wire: Wire, logged_in: LoggedIn, project: Project) -> None:
    for query in ("rendertime_max=-1&ram_max=-1", "rendertime_max=0&ram_max=0", "ram_max=&computemethod="):
        client = logged_in(Java2015)
        assert isinstance(client, Java2015)
        answer = client.send("POST", f"/server/request_job.php?{query}", body=b"<cache/>")
        assert b'<jobrequest status="0">' in answer.body


@pytest.mark.parametrize("generation", ["java-2020-04", "java-2020-07", "java-2021", "java-2022", "rust-2024"])
def test_trap_19_three_tiles_of_a_session_are_open_at_once_and_all_count(
    logged_in: LoggedIn, project: Project, generation: str
) -> None:
    client = logged_in(generation)

    jobs = [job_of(client) for _ in range(3)]

    assert [job.frame for job in jobs] == ["0001", "0002", "0003"]
    assert [client.at_once(job) for job in jobs] == [False, False, False]
    assert [client.upload(job, png(seed=index), 7, 1000) for index, job in enumerate(jobs)] == [0, 0, 0]
    assert statuses(project) == [TileStatus.DONE] * 3 + [TileStatus.WAITING] * 9


@pytest.mark.parametrize("generation", ["java-2015", "java-2016", "java-2017", "java-2018"])
def test_trap_19_clients_before_2020_send_a_frame_before_they_ask_for_the_next(
    logged_in: LoggedIn, project: Project, generation: str
) -> None:
    client = logged_in(generation)
    job = job_of(client)

    assert client.at_once(job)
    assert job_of(client).extras == job.extras  # asking without having sent: it never got the first answer


def test_trap_21_the_speed_test_is_taken(wire: Wire, user: User) -> None:
    body = b'<speedtest><result target="http://farm.example" speed="1000" ping="3"/></speedtest>'

    answer = post(wire, "/server/speedtest.php", body, "Content-Type: application/xml; charset=utf-8\r\n")

    assert answer.status == 200


# --- scripts, web pages, addresses ----------------------------------------------------------------


def test_trap_23_every_client_gets_the_function_and_old_ones_the_old_name(
    logged_in: LoggedIn, project: Project
) -> None:
    jobs = {generation: job_of(logged_in(generation)) for generation in CLIENTS}

    assert [name for name, job in jobs.items() if "def sheepit_set_compute_device(" not in job.script] == []
    words = {name: job.commandline.split(" ") for name, job in jobs.items()}
    old = {"java-2015", "java-2016", "java-2017", "java-2018", "go-2017"}
    assert {name for name, command in words.items() if "--python-expr" in command} == old
    assert [name for name, command in words.items() if command[0] != ".e" or "" in command] == []


def test_trap_25_wrong_credentials_are_a_status_in_xml(wire: Wire, user: User) -> None:
    for generation in CLIENTS:
        with pytest.raises(Unusable, match="refused"):
            CLIENTS[generation](wire, "shepherd", "wrong").login()

    assert {(answer[:17], answer.splitlines()[-1]) for _, answer in wire.exchanges} == {
        (b"HTTP/1.1 200 OK\r\n", b'<config status="102"/>')
    }
    assert len(wire.exchanges) == len(CLIENTS)
    assert Session.objects.count() == 0


def test_trap_26_no_other_address_looks_like_a_session(wire: Wire, user: User) -> None:
    for path in ("/server/config", "/server/", "/server/config.php/", "/server/CONFIG.PHP"):
        assert post(wire, path, b"login=shepherd").status in (403, 404)


def test_trap_27_only_the_session_answer_sets_a_cookie(logged_in: LoggedIn, project: Project) -> None:
    client = logged_in(Java2015)
    job = job_of(client)
    client.fetch(job)
    client.beat(job)
    client.upload(job, png(), 7, 1000)
    client.logout()

    with_cookie = [b"\r\nset-cookie:" in answer.lower() for _, answer in client.wire.exchanges]
    assert with_cookie == [True, False, False, False, False, False, False]


def test_a_session_that_logs_in_again_with_its_old_cookie_gives_its_tile_back(
    logged_in: LoggedIn, project: Project
) -> None:
    client = logged_in(Java2016)
    job_of(client)

    client.login()

    assert statuses(project)[0] == TileStatus.WAITING
    assert sorted(Session.objects.values_list("status", flat=True)) == [SessionStatus.ACTIVE, SessionStatus.ENDED]


def test_an_archive_of_another_project_is_not_given_away(wire: Wire, logged_in: LoggedIn, project: Project) -> None:
    other = make_project(owner=make_user(), archive=make_blob("secret scene"), claimable=False)
    client = logged_in(Java2015)
    job_of(client)
    assert isinstance(client, Java2015)

    assert client.send("GET", f"/server/archive.php?type=job&job={other.pk}").status == 404
    assert urlsplit(client.paths["download-archive"]).query == ""
