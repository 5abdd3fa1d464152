"""The one answer that serves ten years of clients: what it must hold, and what may never be sent.

`strict_…` read as the strictest clients do, with the standard library's parser and none of the farm's code.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote, unquote_plus
from xml.etree import ElementTree

import pytest

from sheepfold.protocol import codec, limits
from sheepfold.protocol.codes import ConfigStatus, EndpointKind, WorkStatus
from sheepfold.protocol.generations import TRAITS, Generation, Needs, Progress, Upload
from sheepfold.protocol.messages import (
    Chunk,
    Endpoint,
    Job,
    RendererInfo,
    SessionAnswer,
    Stats,
    UploadAnswer,
    WorkAnswer,
)

URL = "https://farm.example/server/send_frame.php?job=42&frame=0340&extras=t%2Bk"
JOB = Job(
    id=42,
    frame=340,
    path="scenes/forest.blend",
    archive_md5="1" * 32,
    renderer=RendererInfo("2" * 32, ".e -b .c -o .o -f .f"),
    script="import bpy",
    extras="t+k",
    name="Forest",
    validation_url=URL,
    chunks=(Chunk("c1", "3" * 32), Chunk("c2", "4" * 32)),
)
WORK = WorkAnswer(WorkStatus.OK, JOB, Stats(credits_total=7), delete_md5s=("5" * 32, "6" * 32))
PATHS = {kind: f"/server/{kind.value}.php" for kind in EndpointKind}
ENDPOINTS = tuple(
    Endpoint(kind, path, limits.FOREIGN_MAX_PERIOD if kind is EndpointKind.KEEP_ALIVE else None)
    for kind, path in PATHS.items()
)
SESSION = SessionAnswer(ConfigStatus.OK, "key", ENDPOINTS, ("https://farm.example/speed",))

INT32 = re.compile(r"[0-9]{1,10}")


def work_document(answer: WorkAnswer = WORK) -> ElementTree.Element:
    return ElementTree.fromstring(codec.encode_work_answer(answer))


def session_document(answer: SessionAnswer = SESSION) -> ElementTree.Element:
    return ElementTree.fromstring(codec.encode_session_answer(answer))


def strict_int(element: ElementTree.Element, name: str) -> int:
    text = element.attrib[name]
    assert INT32.fullmatch(text)
    assert int(text) <= 2**31 - 1
    return int(text)


def job_and_renderer() -> tuple[ElementTree.Element, ElementTree.Element]:
    jobs = work_document().findall("job")
    assert len(jobs) == 1
    renderers = jobs[0].findall("renderer")
    assert len(renderers) == 1
    return jobs[0], renderers[0]


def script_has_text() -> bool:
    return bool(job_and_renderer()[0].findtext("script"))


def chunk_ids() -> list[str]:
    return [chunk.attrib["id"] for chunk in job_and_renderer()[0].findall("chunks/chunk")]


def endpoints() -> set[str]:
    return {request.attrib["type"] for request in session_document().findall("request")}


RUST_ENDPOINTS = {
    "request-job",
    "download-binary",
    "download-chunk",
    "error",
    "keepmealive",
    "logout",
    "speedtest-answer",
}
MET: dict[Needs, Callable[[], bool]] = {
    Needs.REVISION: lambda: "revision" in job_and_renderer()[0].attrib,
    Needs.EXTRAS: lambda: "extras" in job_and_renderer()[0].attrib,
    Needs.NAME: lambda: "name" in job_and_renderer()[0].attrib,
    Needs.PASSWORD: lambda: "password" in job_and_renderer()[0].attrib,
    Needs.SYNCHRONOUS_UPLOAD: lambda: job_and_renderer()[0].attrib["synchronous_upload"] in ("0", "1"),
    Needs.VALIDATION_URL: lambda: bool(job_and_renderer()[0].attrib["validation_url"]),
    Needs.UPDATE_METHOD: lambda: "update_method" in job_and_renderer()[1].attrib,
    Needs.SCRIPT_TEXT: script_has_text,
    Needs.CHUNKS: lambda: chunk_ids() == ["c1", "c2"],
    Needs.PUBLICKEY: lambda: bool(session_document().attrib["publickey"]),
    Needs.ALL_ENDPOINTS: lambda: endpoints() >= RUST_ENDPOINTS,
}


def test_every_need_has_a_check() -> None:
    assert set(MET) == set(Needs)


@pytest.mark.parametrize("generation", list(Generation))
def test_common_answer_meets_the_needs_of_every_client_traps_2_3_4(generation: Generation) -> None:
    unmet = [need for need in TRAITS[generation].needs if not MET[need]()]

    assert unmet == []


@pytest.mark.parametrize("generation", list(Generation))
def test_common_answer_tells_every_client_the_progress_it_insists_on_trap_3(generation: Generation) -> None:
    wanted = {Progress.NONE: "job", Progress.FRAMES: "frames", Progress.STATS: "stats"}

    assert len(work_document().findall(wanted[TRAITS[generation].progress])) == 1


def test_numbers_are_strict_32_bit_trap_12() -> None:
    job, _ = job_and_renderer()
    stats = work_document().find("stats")

    assert stats is not None
    assert [strict_int(job, name) for name in ("id", "use_gpu", "revision")] == [42, 0, 0]
    assert [strict_int(stats, name) for name in stats.attrib] == [0, 7, 0, 0, 0, 0]
    assert list(stats.attrib)[:5] == [
        "credits_session",
        "credits_total",
        "frame_remaining",
        "waiting_project",
        "connected_machine",
    ]


def test_counters_are_kept_within_what_java_reads() -> None:
    answer = replace(WORK, stats=Stats(credits_total=3_000_000_000, credits_session=-5))
    stats = work_document(answer).find("stats")

    assert stats is not None
    assert (strict_int(stats, "credits_total"), strict_int(stats, "credits_session")) == (2**31 - 1, 0)


@pytest.mark.parametrize(("frame", "text"), [(0, "0000"), (7, "0007"), (340, "0340"), (9999, "9999"), (12345, "12345")])
def test_frame_has_at_least_four_digits_trap_12(frame: int, text: str) -> None:
    url = URL.replace("0340", text)
    job = work_document(replace(WORK, job=replace(JOB, frame=frame, validation_url=url))).find("job")

    assert job is not None
    assert job.attrib["frame"] == text


def test_ampersands_are_escaped_trap_1() -> None:
    answer = replace(WORK, job=replace(JOB, name="A & B <\"'>", script="1 < 2 & 3"))
    data = codec.encode_work_answer(answer)

    assert re.search(rb"&(?!(amp|lt|gt|quot|apos|#\d+);)", data) is None
    job = ElementTree.fromstring(data).find("job")
    assert job is not None
    assert (job.attrib["name"], job.findtext("script")) == ("A & B <\"'>", "1 < 2 & 3")


def test_content_type_is_the_only_one_that_java_takes_trap_6() -> None:
    assert codec.CONTENT_TYPE.startswith("text/xml")
    assert "text/xml" in codec.CONTENT_TYPE.split(";")


@pytest.mark.parametrize("decode", [unquote, unquote_plus], ids=["rust", "java"])
def test_validation_url_survives_both_ways_of_decoding_trap_9(decode: Callable[[str], str]) -> None:
    sent = job_and_renderer()[0].attrib["validation_url"]

    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", sent)
    assert decode(sent) == URL


def test_elements_of_one_kind_stand_together_trap_20() -> None:
    def runs(root: ElementTree.Element) -> list[str]:
        tags = [child.tag for child in root]
        return [tag for n, tag in enumerate(tags) if n == 0 or tags[n - 1] != tag]

    assert runs(work_document()) == ["frames", "stats", "file", "job"]
    assert runs(session_document()) == ["request", "speedtest"]
    assert runs(job_and_renderer()[0]) == ["renderer", "chunks", "script"]


def test_speed_test_target_has_a_url_and_nothing_else_trap_20() -> None:
    targets = session_document().findall("speedtest/target")

    assert [target.attrib for target in targets] == [{"url": "https://farm.example/speed"}]


def test_characters_that_xml_cannot_hold_are_left_out_of_a_name() -> None:
    job = work_document(replace(WORK, job=replace(JOB, name="Fo\x07re\ud800st\n"))).find("job")

    assert job is not None
    assert job.attrib["name"] == "Forest"


@pytest.mark.parametrize("status", [s for s in WorkStatus if s is not WorkStatus.OK])
def test_refusal_of_work_is_short_and_complete(status: WorkStatus) -> None:
    root = work_document(WorkAnswer(status))

    assert (root.tag, root.attrib, list(root)) == ("jobrequest", {"status": str(status.value)}, [])


# --- what may never be sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 0}, "job id 0 is not a positive 32-bit number"),
        ({"id": 2**31}, "is not a positive 32-bit number"),
        ({"frame": -1}, "frame -1 cannot be rendered with Blender's -f"),
        ({"archive_md5": "A" * 32}, "archive_md5 'A+' is not a lower-case md5"),
        ({"chunks": (Chunk("c1", "B" * 32),)}, "a chunk's md5 is not a lower-case md5"),
        ({"extras": "a b"}, "extras must be visible ASCII"),
        ({"script": ""}, "the script must not be empty"),
        ({"path": "/etc/scene.blend"}, "must be relative"),
        ({"path": "a/../../scene.blend"}, "must be relative"),
        ({"path": "a\\scene.blend"}, "must be relative"),
        ({"path": ""}, "must be relative"),
        ({"path": "a\nb.blend"}, "must be relative"),
        ({"validation_url": ""}, "validation_url must be absolute"),
        ({"validation_url": "/send_frame.php?job=1"}, "validation_url must be absolute"),
        ({"validation_url": "https://farm.example/send_frame.php"}, "hold a query"),
        ({"validation_url": URL.replace("job=42", "job=43")}, "must name the job"),
        ({"validation_url": URL.replace("0340", "340")}, "must name the job, the frame"),
        ({"validation_url": URL.replace("extras", "token")}, "must name the job, the frame and the extras"),
        ({"validation_url": "ftp://farm.example/send?job=1"}, "validation_url must be absolute"),
        ({"renderer": RendererInfo("C" * 32, ".e -b")}, "renderer md5 'C+' is not a lower-case md5"),
        ({"renderer": RendererInfo("2" * 32, "-b .e")}, "begins with '.e'"),
        ({"renderer": RendererInfo("2" * 32, ".e  -b")}, "single blanks"),
        ({"renderer": RendererInfo("2" * 32, "")}, "begins with '.e'"),
    ],
)
def test_job_that_some_client_cannot_take_is_never_sent_traps_2_8_9_12_13(
    change: dict[str, object], reason: str
) -> None:
    job = replace(JOB, **change)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=reason):
        codec.encode_work_answer(replace(WORK, job=job))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (replace(WORK, stats=None), "a job needs stats"),
        (replace(WORK, job=None), "a job goes with status 0"),
        (replace(WORK, status=WorkStatus.NO_JOB), "a job goes with status 0"),
        (replace(WORK, delete_md5s=("X" * 32,)), "files to delete are named by lower-case md5s"),
    ],
)
def test_incomplete_work_is_never_sent_trap_3(answer: WorkAnswer, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        codec.encode_work_answer(answer)


def _with(kind: EndpointKind, endpoint: Endpoint | None) -> tuple[Endpoint, ...]:
    others = tuple(other for other in ENDPOINTS if other.kind is not kind)
    return others if endpoint is None else (*others, endpoint)


@pytest.mark.parametrize("kind", sorted(RUST_ENDPOINTS | {"validate-job", "download-archive"}))
def test_session_without_an_endpoint_is_never_sent_trap_20(kind: str) -> None:
    answer = replace(SESSION, endpoints=_with(EndpointKind(kind), None))

    with pytest.raises(ValueError, match=f"missing: {kind}$"):
        codec.encode_session_answer(answer)


@pytest.mark.parametrize("publickey", [None, ""])
def test_session_without_a_key_is_never_sent_trap_4(publickey: str | None) -> None:
    with pytest.raises(ValueError, match="a session needs a publickey"):
        codec.encode_session_answer(replace(SESSION, publickey=publickey))


@pytest.mark.parametrize("path", ["account.php", "https://farm.example/account.php", ""])
def test_path_that_clients_cannot_append_is_never_sent_trap_8(path: str) -> None:
    answer = replace(SESSION, endpoints=_with(EndpointKind.LOGOUT, Endpoint(EndpointKind.LOGOUT, path)))

    with pytest.raises(ValueError, match="must begin with '/'"):
        codec.encode_session_answer(answer)


def test_path_with_a_query_is_never_sent_trap_8() -> None:
    logout = Endpoint(EndpointKind.LOGOUT, "/account.php?mode=logout&worker=1")

    with pytest.raises(ValueError, match="must not hold a query"):
        codec.encode_session_answer(replace(SESSION, endpoints=_with(EndpointKind.LOGOUT, logout)))


@pytest.mark.parametrize("max_period", [None, 0, 120])
def test_heartbeat_period_that_makes_a_client_loop_is_never_sent_trap_16(max_period: int | None) -> None:
    endpoint = Endpoint(EndpointKind.KEEP_ALIVE, "/server/keepmealive.php", max_period)

    with pytest.raises(ValueError, match="max-period must be above 120 s"):
        codec.encode_session_answer(replace(SESSION, endpoints=_with(EndpointKind.KEEP_ALIVE, endpoint)))


@pytest.mark.parametrize("status", [s for s in ConfigStatus if s is not ConfigStatus.OK])
def test_refused_login_is_a_status_in_xml_trap_25(status: ConfigStatus) -> None:
    root = session_document(SessionAnswer(status))

    assert (root.tag, root.attrib, list(root)) == ("config", {"status": str(status.value)}, [])


def test_client_that_never_uploads_is_marked() -> None:
    never = [generation for generation in Generation if TRAITS[generation].uploads is Upload.NEVER]

    assert never == [Generation.GO_2017]


def test_status_without_a_name_can_be_sent() -> None:
    assert codec.encode_upload_answer(UploadAnswer(305)).endswith(b'<jobvalidate status="305"/>')
