"""What is sent by mistake or in malice: each has its exact answer, and nothing of it stays.

Where the farm writes something down all the same (a failed login, a refused picture), the test says what.
"""

import io
import secrets
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx2
import pytest
from PIL import Image

from sheepfold.protocol import codec, limits
from sheepfold.protocol.codes import ConfigStatus, HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.protocol.messages import Job
from sheepfold.server.accounts.actions import create_api_token, create_user
from sheepfold.server.core.config import config
from sheepfold.server.core.jobs import huey
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.pipeline import tasks
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.models import Result, Verdict
from tests.server.conftest import Server
from tests.server.farm import make_project, statuses
from tests.server.node_api.machine import HARDWARE, Machine, png
from tests.server.node_api.world import RawAnswer, changes, count_everything, speak

TILES = 12
ACCEPTED = {
    "results_result": 1,
    "results_pointsentry": 2,
    "core_blob": 2,
    "core_event": 1,
    "stored files": 2,
}


@dataclass(frozen=True)
class World:
    """A machine that renders a frame of a project, and what there was before the bad request."""

    server: Server
    machine: Machine
    project: Project
    job: Job
    before: Counter[str]

    def session_params(self) -> dict[str, str]:
        """A good session request."""
        return {"login": "shepherd", "password": "secret", **HARDWARE}

    def upload_params(self) -> dict[str, str]:
        """The good words around the frame of the job."""
        return {"job": str(self.job.id), "frame": "0001", "rendertime": "7", "extras": self.job.extras}

    def assert_untouched(self) -> None:
        """Nothing more and nothing less than before, and the machine still renders its frame."""
        assert changes(self.before) == {}
        assert statuses(self.project) == [TileStatus.RENDERING] + [TileStatus.WAITING] * (TILES - 1)
        assert Lease.objects.get(token=self.job.extras).end == LeaseEnd.OPEN


@pytest.fixture
def world(server: Server) -> World:
    user = create_user(username="shepherd", password="secret")
    project = make_project(tiles=TILES, owner=user)
    machine = Machine(server)
    machine.config()
    job = machine.job()
    return World(server, machine, project, job, count_everything())


@pytest.fixture(autouse=True)
def no_stack_trace(exceptions: list[str]) -> Iterator[None]:
    """Bad input is expected: it is no exception that an operator has to read."""
    yield
    assert exceptions == []


# --- sessions -------------------------------------------------------------------------------------


def test_a_wrong_key(world: World) -> None:
    answer, session = Machine(world.server, password="n0t-the-key").config()

    assert (answer.status, session.status) == (200, ConfigStatus.AUTHENTICATION_FAILED)
    assert answer.header("Set-Cookie") is None
    assert changes(world.before) == {"core_attempt": 1}


def test_a_session_request_that_lacks_a_parameter(world: World) -> None:
    for missing in ("login", "password", *(name for name in HARDWARE if name not in ("hostname", "extras"))):
        params = world.session_params()
        del params[missing]
        expected = ConfigStatus.NO_VERSION if missing == "version" else ConfigStatus.MISSING_PARAMETER
        assert (missing, _session_status(world, params)) == (missing, expected)
    world.assert_untouched()


IMPOSSIBLE = (
    ({"cpu_cores": "-4"}, ConfigStatus.MISSING_PARAMETER),
    ({"ram": "-1"}, ConfigStatus.MISSING_PARAMETER),
    ({"ram": "9" * 400}, ConfigStatus.MISSING_PARAMETER),
    ({"cpu_cores": "1e3"}, ConfigStatus.MISSING_PARAMETER),
    ({"bits": "128bit"}, ConfigStatus.MISSING_PARAMETER),
    ({"login": "shep\0herd"}, ConfigStatus.AUTHENTICATION_FAILED),
    ({"password": "secret\0"}, ConfigStatus.AUTHENTICATION_FAILED),
    ({"login": "s" * 255}, ConfigStatus.AUTHENTICATION_FAILED),
    ({"password": "s" * 1025}, ConfigStatus.AUTHENTICATION_FAILED),
)


def test_a_session_request_with_impossible_values(world: World) -> None:
    for changed, status in IMPOSSIBLE:
        assert (changed, _session_status(world, world.session_params() | changed)) == (changed, status)
    world.assert_untouched()


def test_a_zero_byte_in_a_name_is_left_out_of_it(world: World) -> None:
    params = world.session_params() | {"hostname": "b\0ox", "cpu_model_name": "a\0 processor", "version": "1\0.0"}

    assert _session_status(world, params) == ConfigStatus.OK
    assert changes(world.before) == {"machines_session": 1, "core_event": 1}


def test_a_thousand_query_parameters(world: World) -> None:
    params = {**{f"p{number}": "1" for number in range(1000)}, **world.session_params()}

    assert _session_status(world, params) == ConfigStatus.NO_VERSION
    world.assert_untouched()


def test_twenty_megabytes_of_form(world: World) -> None:
    form = urlencode(world.session_params()).encode() + b"&filler=" + b"a" * (20 << 20)

    answer = _post(world.server, "/server/config.php", form, "application/x-www-form-urlencoded")

    assert answer == RawAnswer(413, b"The request is larger than any client's.")
    world.assert_untouched()


def test_a_header_of_a_hundred_megabytes(world: World) -> None:
    head = b"GET /server/config.php HTTP/1.1\r\nHost: farm\r\nX-Long: "

    answer = speak(world.server, head, *[b"a" * (1 << 20)] * 100)

    assert answer == RawAnswer(400, b"The request's headers are too long.")
    world.assert_untouched()


def test_something_that_is_no_http(world: World) -> None:
    assert speak(world.server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").status == 400
    world.assert_untouched()


# --- work -----------------------------------------------------------------------------------------


def test_a_job_request_without_a_session(world: World) -> None:
    token = world.machine.cookie.partition(";")[0]
    for cookie in ("", "sheepfold=", "sheepfold=guessed", token[:-1], "sheepfold"):
        assert (cookie, Machine(world.server, cookie=cookie).ask().status) == (cookie, WorkStatus.SESSION_DEAD)
    world.assert_untouched()


ENTITY = b"""<?xml version="1.0"?><!DOCTYPE cache [<!ENTITY secret SYSTEM "file:///etc/passwd">]>
<cache><file md5="&secret;"/></cache>"""
LAUGHS = (
    b'<!DOCTYPE cache [<!ENTITY l0 "ha">'
    + b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"]><cache>&l9;</cache>"
)


BAD_XML = (ENTITY, LAUGHS, b"<cache><file", b"<cache>" * 500, b"<\xff\xfe\0", b"<!DOCTYPE cache><cache/>", b"<other/>")


def test_a_list_of_archives_that_is_bad_xml_counts_as_none(world: World) -> None:
    """The machine still gets its work: old clients send odd lists, and the list only saves disk."""
    for body in BAD_XML:
        world.machine.config()
        answer = world.machine.ask(body=body)
        assert (body, answer.status, answer.delete_md5s) == (body, WorkStatus.OK, ())


def test_two_million_archives(world: World) -> None:
    one = b'<file md5="d41d8cd98f00b204e9800998ecf8427e"/>'
    block = one * 1000
    size = len(one) * 2_000_001 + len(b"<cache></cache>")
    head = (
        f"POST /server/request_job.php HTTP/1.1\r\nHost: farm\r\nCookie: {world.machine.cookie}\r\n"
        f"Content-Length: {size}\r\n\r\n<cache>"
    )

    answer = speak(world.server, head.encode(), *[block] * 2000, one, b"</cache>")

    assert answer == RawAnswer(413, b"The request is larger than any client's.")
    world.assert_untouched()


def test_more_archives_than_a_machine_keeps(world: World) -> None:
    body = b"<cache>" + b"".join(b'<file md5="%032x"/>' % n for n in range(limits.MAX_CACHED_MD5S + 1)) + b"</cache>"

    answer = world.machine.ask(body=body)

    assert (answer.status, answer.delete_md5s) == (WorkStatus.OK, ())


ODD_QUERIES = (
    "computemethod=-1&cpu_cores=-5&ram_max=-7&rendertime_max=-1",
    "computemethod=99999999999999999999&cpu_cores=1e9&ram_max=" + "9" * 300,
    "computemethod=1&gpu_model=%00&gpu_ram=-1&open_leases=" + "%00," * 100,
    "computemethod=%F0%28%8C%28&cpu_cores=%D9%A3",
)


def test_odd_numbers_in_a_job_request_count_as_not_said(world: World) -> None:
    for query in ODD_QUERIES:
        world.machine.config()
        assert (query, world.machine.ask(query).status) == (query, WorkStatus.OK)


# --- heartbeats and downloads ---------------------------------------------------------------------


def test_a_heartbeat_without_a_tile_has_nothing_to_stop(world: World) -> None:
    huge = "9" * 300
    for query in ("", "job=", "job=-1&frame=-1", "frame=1", "job=%00&frame=%00", f"job={huge}&frame={huge}"):
        answer = world.machine.request("GET", f"/server/keepmealive.php?{query}")
        assert (query, codec.decode_heartbeat_answer(answer.body).status) == (query, HeartbeatStatus.OK)
    world.assert_untouched()


def test_a_heartbeat_of_somebody_elses_tile_is_told_to_stop(world: World) -> None:
    stranger = _stranger(world)
    before = count_everything()

    query = urlencode({"job": world.job.id, "frame": "0001", "extras": "guessed"})
    answer = stranger.request("GET", f"/server/keepmealive.php?{query}")

    assert codec.decode_heartbeat_answer(answer.body).status == HeartbeatStatus.STOP
    assert changes(before) == {}
    assert statuses(world.project)[0] == TileStatus.RENDERING


NO_DOWNLOAD = (
    "archive.php",
    "archive.php?type=job",
    "archive.php?type=all&job={job}",
    "archive.php?type=job&job=",
    "archive.php?type=job&job=-{job}",
    "archive.php?type=job&job={job}%00",
    "binary.php",
    "chunk.php",
    "chunk.php?chunk=%00",
    "chunk.php?chunk=..%2F..%2Fsecret",
    "chunk.php?chunk=d41d8cd98f00b204e9800998ecf8427e",
)


def test_a_download_that_names_nothing(world: World) -> None:
    for target in NO_DOWNLOAD:
        answer = world.machine.request("GET", f"/server/{target.format(job=world.job.id)}")
        assert (target, answer.status, answer.body) == (target, 404, b"")
    world.assert_untouched()


def test_the_archives_of_a_foreign_job(world: World) -> None:
    foreign = make_project(tiles=1)
    before = count_everything()

    for kind in ("job", "binary"):
        answer = world.machine.request("GET", f"/server/archive.php?type={kind}&job={foreign.pk}")
        assert (kind, answer.status, answer.body) == (kind, 404, b"")
    assert changes(before) == {}


# --- frames ---------------------------------------------------------------------------------------


def test_a_frame_that_lacks_a_parameter(world: World) -> None:
    for missing in ("job", "frame", "rendertime", "extras"):
        params = world.upload_params()
        del params[missing]
        status = world.machine.post_file(f"/server/send_frame.php?{urlencode(params)}", png(), "a.png")
        assert (missing, status) == (missing, UploadStatus.MISSING_PARAMETER)
    world.assert_untouched()


NO_LEASE = (
    ({"job": "1001001"}, UploadStatus.MISSING_PARAMETER),
    ({"job": "-1"}, UploadStatus.MISSING_PARAMETER),
    ({"job": "9" * 300}, UploadStatus.MISSING_PARAMETER),
    ({"frame": "2"}, UploadStatus.MISSING_PARAMETER),
    ({"frame": "-1"}, UploadStatus.MISSING_PARAMETER),
    ({"frame": "1048575"}, UploadStatus.MISSING_PARAMETER),
    ({"extras": ""}, UploadStatus.MISSING_PARAMETER),
    ({"extras": "a\0b"}, UploadStatus.MISSING_PARAMETER),
    ({"extras": "x" * 10_000}, UploadStatus.MISSING_PARAMETER),
    ({"extras": "guessed"}, UploadStatus.SESSION_DISABLED),
)


def test_a_frame_that_fits_no_lease(world: World) -> None:
    for changed, status in NO_LEASE:
        assert (changed, world.machine.upload(world.job, png(), **changed)) == (changed, status)
    world.assert_untouched()


def test_the_token_of_another_machine_for_ones_own_frame(world: World) -> None:
    stranger = _stranger(world)
    job = stranger.job()
    before = count_everything()

    assert stranger.upload(job, png(), extras=world.job.extras) == UploadStatus.MISSING_PARAMETER

    assert changes(before) == {}
    assert statuses(world.project)[:3] == [TileStatus.RENDERING, TileStatus.RENDERING, TileStatus.WAITING]


def test_a_stale_token_of_a_frame_that_another_machine_has_rendered(world: World) -> None:
    """The machine did its work and is thanked; the picture that came first stays, and nobody is paid twice."""
    assert world.machine.report(world.job, "14") == 200
    other = _stranger(world)
    assert other.upload(other.job(), png(seed=1)) == UploadStatus.OK
    first = Result.objects.get(verdict=Verdict.ACCEPTED)
    before = count_everything()

    assert world.machine.upload(world.job, png(seed=2)) == UploadStatus.OK

    assert changes(before) == {"results_result": 1}
    assert Result.objects.get(verdict=Verdict.ACCEPTED) == first


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


BOMB = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(bytes(1 << 20), 9))
    + _chunk(b"IEND", b"")
)
TEXT_BOMB = png()[:33] + _chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(1 << 28), 9)) + png()[33:]


NO_PICTURES = {
    "empty": b"",
    "text": b"no picture",
    "no end": png()[:-20],
    "cut in its data": png()[:60],
    "signature": png()[:8],
    "60000 x 60000": BOMB,
    "text bomb": TEXT_BOMB,
    "gif": b"GIF89a" + bytes(100),
    "bmp": b"BM" + bytes(200),
}


def test_a_file_that_is_no_picture(world: World) -> None:
    """The refusal is written down, with the machine that sent it; the frame waits for another one."""
    job = world.job
    for name, image in NO_PICTURES.items():
        before = count_everything()
        assert (name, world.machine.upload(job, image)) == (name, UploadStatus.NOT_AN_IMAGE)
        assert changes(before) == {"results_result": 1, "frames_tilefailure": 1, "core_event": 1}
        job = world.machine.job()
    assert set(Result.objects.values_list("verdict", flat=True)) == {Verdict.UNDECODABLE}
    assert statuses(world.project).count(TileStatus.WAITING) == TILES - 1


def test_an_upload_without_a_file(world: World) -> None:
    answer = world.machine.request("POST", f"/server/send_frame.php?{urlencode(world.upload_params())}", b"")

    assert codec.decode_upload_answer(answer.body).status == UploadStatus.MISSING_PARAMETER
    world.assert_untouched()


END = b"--b--\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


BROKEN_BODIES = {
    "no end": PART + png(),
    "a part without an end": PART + png() + b"\r\n--b\r\n",
    "another boundary": b"--c\r\n\r\n",
    "text": b"no multipart at all",
    "half a head": PART[:40],
    "a long head": b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 10_000 + b'"\r\n\r\nx\r\n' + END,
    "1000 parts": b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' * 1000 + END,
}


def test_a_body_that_is_no_whole_multipart(world: World) -> None:
    target = f"/server/send_frame.php?{urlencode(world.upload_params())}"
    for name, body in BROKEN_BODIES.items():
        answer = _post(world.server, target, body, "multipart/form-data; boundary=b")
        assert (name, _upload_status(answer)) == (name, UploadStatus.UPLOAD_FAILED)
    world.assert_untouched()


def test_a_boundary_longer_than_any(world: World) -> None:
    target = f"/server/send_frame.php?{urlencode(world.upload_params())}"
    answer = _post(world.server, target, PART + png() + END, "multipart/form-data; boundary=" + "b" * 300)
    assert _upload_status(answer) == UploadStatus.UPLOAD_FAILED
    world.assert_untouched()


def test_two_files_the_first_counts(world: World) -> None:
    target = f"/server/send_frame.php?{urlencode(world.upload_params())}"
    body = PART + _new_picture() + b"\r\n" + PART + b"no picture\r\n" + END

    answer = _post(world.server, target, body, "multipart/form-data; boundary=b")

    assert _upload_status(answer) == UploadStatus.OK
    assert changes(world.before) == ACCEPTED


EVIL_NAMES = ("../../../../tmp/evil.png", "/etc/cron.d/evil.png", "C:\\\\evil.png", "evil\0.png", ".png/../evil")


def test_a_file_name_with_a_path_names_nothing_on_the_farm(world: World) -> None:
    job = world.job
    for name in EVIL_NAMES:
        before = count_everything()
        query = urlencode({"job": job.id, "frame": job.frame, "rendertime": "7", "extras": job.extras})
        body = PART.replace(b"a.png", name.encode()) + _new_picture() + b"\r\n" + END
        answer = _post(world.server, f"/server/send_frame.php?{query}", body, "multipart/form-data; boundary=b")
        assert (name, _upload_status(answer), changes(before)) == (name, UploadStatus.OK, ACCEPTED)
        job = world.machine.job()
    assert list(config().data_dir.rglob("*evil*")) == []


def test_a_body_shorter_than_it_says(world: World) -> None:
    target = f"/server/send_frame.php?{urlencode(world.upload_params())}"
    head = _head(world.server, target, 1000, "multipart/form-data; boundary=b")

    answer = speak(world.server, head, PART, png()[:50], hang_up=True)

    assert answer.status == 0
    assert world.machine.beat() == 0
    world.assert_untouched()


def test_a_form_of_a_million_fields_instead_of_a_file(world: World) -> None:
    target = f"/server/send_frame.php?{urlencode(world.upload_params())}"

    answer = _post(world.server, target, b"a=b&" * 1_000_000, "application/x-www-form-urlencoded")

    assert _upload_status(answer) == UploadStatus.UPLOAD_FAILED
    world.assert_untouched()


# --- errors ---------------------------------------------------------------------------------------


def test_an_error_report_of_nobody_is_answered_and_forgotten(world: World) -> None:
    stranger = Machine(world.server)
    for query in ("", "type=&job=-1&frame=-1&extras=%00", f"type={'9' * 300}&job=x&render_time=-1"):
        answer = stranger.request("POST", f"/server/error.php?{query}", b"")
        assert (query, answer.status, codec.decode_error_answer(answer.body).status) == (query, 200, 0)
    world.assert_untouched()


# --- scenes ---------------------------------------------------------------------------------------

BLEND = b"BLENDER-v304REND" + bytes(64)


def _zip(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def _encrypted() -> bytes:
    """A zip whose entry says that it has a password."""
    data = bytearray(_zip(("scene.blend", BLEND)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


SCENES: dict[str, tuple[str, bytes, str]] = {
    "leads out": (
        "s.zip",
        _zip(("scene.blend", BLEND), ("../../etc/cron.d/evil", b"x")),
        "`../../etc/cron.d/evil` in the archive leads out of it (`..`); pack the folder of the scene again",
    ),
    "absolute": (
        "s.zip",
        _zip(("/etc/evil.blend", BLEND)),
        "`/etc/evil.blend` in the archive is an absolute path; pack the folder of the scene again",
    ),
    "link": (
        "s.zip",
        _zip(("scene.blend", BLEND), (_link("passwords"), b"/etc/passwd")),
        "`passwords` in the archive is a link; pack the file itself instead",
    ),
    "password": (
        "s.zip",
        _encrypted(),
        "the .zip has a password, which the farm does not know; pack it without one",
    ),
    "no blend": ("walk.blend", b"MZ" + bytes(100), "walk.blend is neither a .blend file nor a .zip; save the scene in"),
    "empty zip": ("s.zip", _zip(), "the .zip has no .blend inside; pack the folder with the scene"),
    "cut": ("s.zip", _zip(("scene.blend", BLEND))[:-30], "the .zip ends too early; upload it again"),
    "false blend": (
        "s.zip",
        _zip(("scene.blend", b"MZ")),
        "`scene.blend` is no Blender file; save the scene again and pack that",
    ),
    "nested": (
        "s.zip",
        _zip(("inner.zip", _zip(("scene.blend", BLEND)))),
        "the .zip has no .blend, only another archive inside; pack the scene's folder once",
    ),
}


def test_a_scene_that_cannot_be_used_is_refused_in_words(world: World) -> None:
    for kind, (name, data, words) in SCENES.items():
        project = _upload(world, name, data)
        assert (kind, project.status, project.reason[: len(words)]) == (kind, ProjectStatus.REJECTED, words)
    assert list(config().tmp_dir.iterdir()) == []
    assert list(config().data_dir.rglob("*evil*")) == []


def test_a_zip_bomb_is_refused_before_it_is_unpacked(world: World) -> None:
    bomb = _zip(("scene.blend", BLEND), *((f"{number}.bin", bytes(64 << 20)) for number in range(20)))

    project = _upload(world, "bomb.zip", bomb)

    assert project.status == ProjectStatus.REJECTED
    assert project.reason == "the .zip unpacks to 1280 MiB, far more than a scene of this size; pack it again"
    assert list(config().tmp_dir.iterdir()) == []


NO_ANNOUNCEMENTS: tuple[tuple[object, int], ...] = (
    ({"name": "walk.exe", "size": 9}, 422),
    ({"name": "walk.blend", "size": -1}, 422),
    ({"name": "walk.blend", "size": "9"}, 422),
    ({"name": "walk.blend", "size": 10**30}, 413),
    ({"name": "\0.blend\0", "size": 2**50}, 413),
    ({"name": 7}, 422),
    ([], 422),
)


def test_an_announcement_that_cannot_be_is_refused(world: World) -> None:
    api, before = _api(world), count_everything()
    for body, status in NO_ANNOUNCEMENTS:
        answer = api.post("uploads", json=body)
        assert (body, answer.status_code, list(answer.json())) == (body, status, ["error"])
    assert changes(before) == {}


def _session_status(world: World, params: dict[str, str]) -> int:
    """Of a machine without a cookie; whatever is wrong travels with HTTP 200."""
    answer = Machine(world.server).request("GET", f"/server/config.php?{urlencode(params)}")
    assert answer.status == 200
    return int(codec.decode_session_answer(answer.body).status)


def _upload_status(answer: RawAnswer) -> int:
    assert answer.status == 200
    return int(codec.decode_upload_answer(answer.body).status)


def _new_picture() -> bytes:
    """Noise: the store has never seen it."""
    out = io.BytesIO()
    Image.frombytes("RGB", (64, 36), secrets.token_bytes(64 * 36 * 3)).save(out, "PNG")
    return out.getvalue()


def _upload(world: World, name: str, data: bytes) -> Project:
    """Through the JSON interface, then looked into as the background does it."""
    api = _api(world)
    upload = api.post("uploads", json={"name": name, "size": len(data)}).json()
    assert api.patch(f"uploads/{upload['id']}?offset=0", content=data).json()["done"] is True
    huey.storage.flush_queue()
    tasks.analyse.call_local(upload["project"])
    return Project.objects.get(pk=upload["project"])


def _api(world: World) -> httpx2.Client:
    _, secret = create_api_token(user=world.project.owner, name="test")
    return httpx2.Client(base_url=f"{world.server.url}/api/", headers={"Authorization": f"Bearer {secret}"}, timeout=60)


def _stranger(world: World) -> Machine:
    """A machine of somebody else."""
    create_user(username="stranger", password="secret")
    machine = Machine(world.server, login="stranger")
    machine.config()
    return machine


def _head(server: Server, target: str, length: int, kind: str) -> bytes:
    return (
        f"POST {target} HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _post(server: Server, target: str, body: bytes, kind: str) -> RawAnswer:
    """A body in pieces, as far as the server wants it."""
    pieces = [body[start : start + (1 << 20)] for start in range(0, len(body), 1 << 20)]
    return speak(server, _head(server, target, len(body), kind), *pieces)
