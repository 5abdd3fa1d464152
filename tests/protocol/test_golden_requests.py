"""The client's requests, byte for byte, and what the farm reads from them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from sheepfold.protocol import codec, params
from sheepfold.protocol.codes import ArchiveKind, ComputeMethod, ErrorKind, Os, OwnerWish
from sheepfold.protocol.messages import (
    ArchiveRequest,
    ErrorReport,
    FrameUpload,
    Heartbeat,
    SessionRequest,
    SpeedtestResult,
    WorkRequest,
)

GOLDEN = Path(__file__).parent.parent / "golden"

SESSION = SessionRequest(
    login="ada l",
    password="k&y",
    version="1.2.3",
    os=Os.MAC,
    os_sent="macm1",
    bits=64,
    cpu_family="6",
    cpu_model="158",
    cpu_model_name="Intel Core i7",
    cpu_cores=8,
    ram_kib=16 * 1024 * 1024,
    hostname="studio",
    extras="sheepfold/2 heartbeat=60 leases=3 instance=box-1 run=7f_3",
    ui="Text",
    headless=True,
    os_version="linux 6.1",
    hwid="0cc175b9c0f1b6a831c399e269772661",
    open_tokens=("t1", "t2"),
)
WORK = WorkRequest(
    compute_method=ComputeMethod.GPU,
    cpu_cores=8,
    ram_max_kib=8 * 1024 * 1024,
    rendertime_max=3600,
    gpu_model="GeForce RTX 3060",
    gpu_ram=12 * 1024**3,
    gpu_type="CUDA",
    network_download=125_000,
    network_upload=62_500,
    open_tokens=("t1", "t2"),
)
UPLOAD = FrameUpload(job=42, frame=340, extras="q7_Lk-2", rendertime=12.5, revision=3, memory_kib=633_810, cores=4)
BEAT = Heartbeat(job=42, frame=340, extras="q7_Lk-2", rendertime=61, remainingtime=120, paused=False)
REPORT = ErrorReport(
    kind=ErrorKind.OUT_OF_MEMORY, job=42, frame=340, extras="q7_Lk-2", rendertime=61, memory_kib=633_810
)

session = (params.encode_session_request, params.decode_session_request)
work = (params.encode_work_request, params.decode_work_request)
archive = (params.encode_archive_request, params.decode_archive_request)
upload = (params.encode_frame_upload, params.decode_frame_upload)
heartbeat = (params.encode_heartbeat, params.decode_heartbeat)
error = (params.encode_error_report, params.decode_error_report)

REQUESTS = [
    ("session", SESSION, session),
    ("work", WORK, work),
    ("archive-renderer", ArchiveRequest(ArchiveKind.RENDERER, 42), archive),
    ("archive-scene", ArchiveRequest(ArchiveKind.SCENE, 42, revision=3), archive),
    ("upload", UPLOAD, upload),
    ("heartbeat", BEAT, heartbeat),
    ("heartbeat-idle", Heartbeat(), heartbeat),
    ("heartbeat-own-client", replace(BEAT, paused=True, wish=OwnerWish.PAUSE), heartbeat),
    ("heartbeat-idle-own-client", Heartbeat(wish=OwnerWish.RUN), heartbeat),
    ("error", REPORT, error),
    ("error-generic", ErrorReport(ErrorKind.GENERIC), error),
]
OLD_CACHE = ("0f343b0931126a20f133d67c2b018a3b", "ceda00890578762c6fac96f1a13f671a")
Codec = tuple[Callable[[Any], params.Pairs], Callable[[params.Params], Any]]


def query(name: str) -> str:
    return (GOLDEN / "requests" / f"{name}.txt").read_text()


def body(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize(("name", "request_", "both"), REQUESTS, ids=[name for name, _, _ in REQUESTS])
def test_request_is_sent_as_recorded(name: str, request_: object, both: Codec) -> None:
    assert urlencode(both[0](request_)) == query(name)


@pytest.mark.parametrize(("name", "request_", "both"), REQUESTS, ids=[name for name, _, _ in REQUESTS])
def test_recorded_request_is_read_in_full(name: str, request_: object, both: Codec) -> None:
    assert both[1](dict(parse_qsl(query(name), keep_blank_values=True))) == request_


def test_measures_for_a_validation_url_are_sent_as_recorded() -> None:
    assert urlencode(params.encode_upload_measures(UPLOAD)) == query("upload-measures")


def test_every_recorded_request_is_tested() -> None:
    recorded = {path.stem for path in (GOLDEN / "requests").glob("*.txt")}

    assert recorded == {name for name, _, _ in REQUESTS} | {"upload-measures"}


def test_cached_archives_are_sent_as_recorded() -> None:
    assert codec.encode_cache(OLD_CACHE) == body("requests/cache.xml")
    assert codec.encode_cache(()) == body("requests/cache-empty.xml")


@pytest.mark.parametrize(
    "name",
    [
        "requests/cache.xml",
        "foreign/bodies/cache-java-2015.xml",
        "foreign/bodies/cache-java-2020.xml",
        "foreign/bodies/cache-odd.xml",
    ],
)
def test_cached_archives_of_every_client_are_read(name: str) -> None:
    assert codec.decode_cache(body(name)) == OLD_CACHE


@pytest.mark.parametrize("empty", [b"", b"  \r\n", b"<cache/>", b"computemethod=1&cpu_cores=4"])
def test_body_without_archives_means_none(empty: bytes) -> None:
    assert codec.decode_cache(empty) == ()


def test_work_request_takes_its_archives_from_the_body() -> None:
    request = params.decode_work_request({"computemethod": "1"}, body("requests/cache.xml"))

    assert request == WorkRequest(compute_method=ComputeMethod.CPU, cached_md5s=OLD_CACHE)


def test_speed_test_results_are_sent_and_read_as_recorded() -> None:
    results = (SpeedtestResult("https://farm.example/speed", speed=1_250_000, ping=23),)

    assert codec.encode_speedtest(results) == body("requests/speedtest.xml")
    assert codec.decode_speedtest(body("requests/speedtest.xml")) == results


def test_speed_test_results_without_numbers_are_left_out() -> None:
    first, second = b'<result target="a" speed="1" ping="2"/>', b'<result target="b" speed="x" ping="2"/>'

    assert codec.decode_speedtest(b"<speedtest>" + first + second + b"</speedtest>") == (SpeedtestResult("a", 1, 2),)
    assert codec.decode_speedtest(b"<speedtest/>") == ()
