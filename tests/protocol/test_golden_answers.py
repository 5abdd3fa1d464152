"""The farm's answers, byte for byte, and what the client reads from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheepfold.protocol import codec
from sheepfold.protocol.codes import ConfigStatus, EndpointKind, HeartbeatStatus, OwnerWish, UploadStatus, WorkStatus
from sheepfold.protocol.messages import (
    Chunk,
    Endpoint,
    ErrorAnswer,
    HeartbeatAnswer,
    Job,
    RendererInfo,
    SessionAnswer,
    Stats,
    UploadAnswer,
    WorkAnswer,
)

GOLDEN = Path(__file__).parent.parent / "golden"

ENDPOINTS = (
    Endpoint(EndpointKind.VALIDATE_JOB, "/server/send_frame.php"),
    Endpoint(EndpointKind.REQUEST_JOB, "/server/request_job.php"),
    Endpoint(EndpointKind.DOWNLOAD_ARCHIVE, "/server/archive.php"),
    Endpoint(EndpointKind.DOWNLOAD_BINARY, "/server/binary.php"),
    Endpoint(EndpointKind.DOWNLOAD_CHUNK, "/server/chunk.php"),
    Endpoint(EndpointKind.ERROR, "/server/error.php"),
    Endpoint(EndpointKind.KEEP_ALIVE, "/server/keepmealive.php", max_period=1020),
    Endpoint(EndpointKind.LOGOUT, "/server/logout.php"),
    Endpoint(EndpointKind.SPEEDTEST_ANSWER, "/server/speedtest.php"),
)
JOB = Job(
    id=42,
    frame=340,
    path="scenes/forest.blend",
    archive_md5="11d046f9912267a29f99a731c7e4e3b0",
    renderer=RendererInfo(
        md5="ceda00890578762c6fac96f1a13f671a",
        commandline=".e --factory-startup --disable-autoexec -b .c -o .o -f .f -x 1",
    ),
    script='import bpy\nif 1 < 2 & True: print("]]>")\n',
    extras="q7_Lk-2",
    revision=3,
    name='Forest & "Lake" ä',
    password="s3cret",
    synchronous_upload=False,
    validation_url="http://farm.example/server/send_frame.php?job=42&frame=0340&extras=q7_Lk-2&plus=a+b%20c",
    chunks=(
        Chunk("c1", "5d41402abc4b2a76b9719d911017c592"),
        Chunk("c2", "b1946ac92492d2347c6235b4d2611184"),
    ),
)
WORK = WorkAnswer(
    status=WorkStatus.OK,
    job=JOB,
    stats=Stats(
        credits_session=12,
        credits_total=3400,
        frame_remaining=1187,
        waiting_project=3,
        connected_machine=41,
        renderable_project=2,
    ),
    delete_md5s=("0f343b0931126a20f133d67c2b018a3b", "7d793037a0760186574b0282f2f435e7"),
)
PATIENCE = WorkAnswer(
    WorkStatus.NO_JOB,
    stats=Stats(credits_total=2**31 - 1, frame_remaining=5, connected_machine=1),
    wait_seconds=20,
)

SESSION = SessionAnswer(ConfigStatus.OK, "render-key", ENDPOINTS)
OWN_SESSION = SessionAnswer(ConfigStatus.OK, "render-key", ENDPOINTS, extras="sheepfold/2 heartbeat=60 leases=3")
SPEEDTEST = SessionAnswer(
    ConfigStatus.OK, "render-key", ENDPOINTS, speedtest_urls=("https://farm.example/speed?size=1&n=2",)
)

session = (codec.encode_session_answer, codec.decode_session_answer)
work = (codec.encode_work_answer, codec.decode_work_answer)
upload = (codec.encode_upload_answer, codec.decode_upload_answer)
heartbeat = (codec.encode_heartbeat_answer, codec.decode_heartbeat_answer)
error = (codec.encode_error_answer, codec.decode_error_answer)

ANSWERS = [
    ("session", SESSION, session),
    ("session-own-client", OWN_SESSION, session),
    ("session-speedtest", SPEEDTEST, session),
    ("session-refused", SessionAnswer(ConfigStatus.AUTHENTICATION_FAILED), session),
    ("work", WORK, work),
    ("work-no-job", WorkAnswer(WorkStatus.NO_JOB), work),
    ("work-no-job-own-client", PATIENCE, work),
    ("work-no-job-paused", WorkAnswer(WorkStatus.NO_JOB, wait_seconds=20, wish=OwnerWish.PAUSE), work),
    ("upload", UploadAnswer(UploadStatus.OK), upload),
    ("upload-broken-machine", UploadAnswer(UploadStatus.BROKEN_MACHINE), upload),
    ("heartbeat", HeartbeatAnswer(HeartbeatStatus.OK), heartbeat),
    ("heartbeat-stop", HeartbeatAnswer(HeartbeatStatus.STOP), heartbeat),
    ("heartbeat-own-client", HeartbeatAnswer(HeartbeatStatus.OK, OwnerWish.STOP_AFTER_FRAME, 5), heartbeat),
    ("heartbeat-stop-own-client", HeartbeatAnswer(HeartbeatStatus.STOP, OwnerWish.STOP_NOW, 5), heartbeat),
    ("error", ErrorAnswer(), error),
]
Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]


def answer_bytes(name: str) -> bytes:
    return (GOLDEN / "answers" / f"{name}.xml").read_bytes()


@pytest.mark.parametrize(("name", "answer", "both"), ANSWERS, ids=[name for name, _, _ in ANSWERS])
def test_answer_is_sent_as_recorded(name: str, answer: object, both: Codec) -> None:
    assert both[0](answer) == answer_bytes(name)


@pytest.mark.parametrize(("name", "answer", "both"), ANSWERS, ids=[name for name, _, _ in ANSWERS])
def test_recorded_answer_is_read_in_full(name: str, answer: object, both: Codec) -> None:
    assert both[1](answer_bytes(name)) == answer


def test_every_recorded_answer_is_tested() -> None:
    recorded = {path.stem for path in (GOLDEN / "answers").iterdir()}

    assert recorded == {name for name, _, _ in ANSWERS}


def test_session_of_a_server_of_2015_is_read_with_defaults() -> None:
    data = (GOLDEN / "foreign/answers/session-2015.xml").read_bytes()

    assert codec.decode_session_answer(data) == SessionAnswer(
        status=ConfigStatus.OK,
        publickey=None,
        endpoints=(
            Endpoint(EndpointKind.VALIDATE_JOB, "/server/send_frame.php"),
            Endpoint(EndpointKind.REQUEST_JOB, "/server/request_job.php"),
            Endpoint(EndpointKind.KEEP_ALIVE, "/server/keepmealive.php", max_period=800),
            Endpoint(EndpointKind.ERROR, "/server/error.php?a=1&b=2"),
        ),
    )


def test_job_of_a_server_of_2015_is_read_with_defaults() -> None:
    data = (GOLDEN / "foreign/answers/work-2015.xml").read_bytes()

    assert codec.decode_work_answer(data) == WorkAnswer(
        status=WorkStatus.OK,
        job=Job(
            id=1,
            frame=340,
            path="compute_method.blend",
            archive_md5="11d046f9912267a29f99a731c7e4e3b0",
            renderer=RendererInfo("ceda00890578762c6fac96f1a13f671a", ".e -b .c -o .o -f .f -x 1"),
            script="",
            use_gpu=True,
            synchronous_upload=True,
        ),
        stats=Stats(frame_remaining=12),
        delete_md5s=("0f343b0931126a20f133d67c2b018a3b",),
    )


def test_job_of_a_server_of_2022_is_read_with_unknown_parts_skipped() -> None:
    data = (GOLDEN / "foreign/answers/work-2022.xml").read_bytes()

    assert codec.decode_work_answer(data) == WorkAnswer(
        status=WorkStatus.OK,
        job=Job(
            id=4711,
            frame=7,
            path="a b.blend",
            archive_md5="11d046f9912267a29f99a731c7e4e3b0",
            renderer=RendererInfo("ceda00890578762c6fac96f1a13f671a", ".e -b .c -o .o -f .f"),
            script='import bpy\nprint("<!DOCTYPE & such")',
            name="Été",
            synchronous_upload=False,
            validation_url="https://farm.example/send.php?job=4711&name=a b&sum=1%2B1",
        ),
        stats=Stats(credits_total=3_000_000_000, waiting_project=3, connected_machine=41),
    )
