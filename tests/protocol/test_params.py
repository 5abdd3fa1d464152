"""What clients really send, forgiven; what matters, refused with the status to answer."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from sheepfold.protocol import limits, params
from sheepfold.protocol.codes import ArchiveKind, ComputeMethod, ConfigStatus, ErrorKind, Os, UploadStatus
from sheepfold.protocol.messages import ArchiveRequest, ErrorReport, FrameUpload, Heartbeat, WorkRequest
from sheepfold.protocol.params import Refused

GIB_IN_KIB = 1024 * 1024

SESSION = {
    "login": "ada",
    "password": "pw",
    "version": "3.3.1762",
    "os": "linux",
    "bits": "64bit",
    "cpu_family": "6",
    "cpu_model": "158",
    "cpu_model_name": "Intel Core",
    "cpu_cores": "4",
    "ram": "16777216",
}
UPLOAD = {"job": "42", "frame": "0340", "rendertime": "12", "extras": "token"}


def without(parameters: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parameters.items() if key != name}


# --- session ----------------------------------------------------------------------------------------


def test_parameters_of_the_specification_are_enough() -> None:
    request = params.decode_session_request(SESSION)

    assert (request.login, request.password, request.version) == ("ada", "pw", "3.3.1762")
    assert (request.os, request.bits, request.cpu_cores) == (Os.LINUX, 64, 4)
    assert (request.cpu_family, request.cpu_model, request.cpu_model_name) == ("6", "158", "Intel Core")
    assert (request.hostname, request.extras) == ("", "")
    assert (request.ui, request.headless, request.os_version, request.hwid) == (None, None, None, None)


@pytest.mark.parametrize("parameters", [without(SESSION, "version"), SESSION | {"version": ""}])
def test_no_version_is_100_trap_18(parameters: dict[str, str]) -> None:
    with pytest.raises(Refused, match="'version' is missing or empty") as refusal:
        params.decode_session_request(parameters)

    assert refusal.value.status is ConfigStatus.NO_VERSION


@pytest.mark.parametrize("name", sorted(set(SESSION) - {"version"}))
def test_missing_parameter_is_104_and_named(name: str) -> None:
    with pytest.raises(Refused, match=f"missing parameters: {name}$") as refusal:
        params.decode_session_request(without(SESSION, name))

    assert refusal.value.status is ConfigStatus.MISSING_PARAMETER


def test_all_missing_parameters_are_named_at_once() -> None:
    with pytest.raises(Refused, match=r"missing parameters: login, os, ram$"):
        params.decode_session_request(without(without(without(SESSION, "ram"), "os"), "login"))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("os", "haiku", "'os' must be one of: windows, mac, macos, macm1, linux, freebsd"),
        ("os", "", "'os' must be one of"),
        ("bits", "128bit", "'bits' must be one of: 32bit, 64bit"),
        ("cpu_cores", "many", "'cpu_cores' is not a whole number"),
        ("cpu_cores", "-4", "'cpu_cores' is not a whole number"),
        ("cpu_cores", "٤", "'cpu_cores' is not a whole number"),
        ("ram", "16 GB", "'ram' is not a whole number"),
        ("ram", "1_000_000", "'ram' is not a whole number"),
        ("ram", "9" * 5000, "'ram' is not a whole number"),
    ],
)
def test_unusable_hardware_is_104_with_the_reason(name: str, value: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refusal:
        params.decode_session_request(SESSION | {name: value})

    assert refusal.value.status is ConfigStatus.MISSING_PARAMETER


@pytest.mark.parametrize(
    ("name", "value"),
    [("login", "a" * 255), ("login", "ada\x00"), ("password", "p" * 1025), ("password", "p\n")],
)
def test_impossible_credentials_are_102_and_not_told_apart_trap_25(name: str, value: str) -> None:
    with pytest.raises(Refused) as refusal:
        params.decode_session_request(SESSION | {name: value})

    assert refusal.value.status is ConfigStatus.AUTHENTICATION_FAILED
    assert value not in str(refusal.value)


def test_password_stays_out_of_what_is_printed() -> None:
    assert "pw" not in repr(params.decode_session_request(SESSION | {"password": "pw-secret"}))


@pytest.mark.parametrize(
    ("sent", "system"),
    [
        ("windows", Os.WINDOWS),
        ("mac", Os.MAC),
        ("macos", Os.MAC),
        ("macm1", Os.MAC),
        ("linux", Os.LINUX),
        ("freebsd", Os.FREEBSD),
        ("Linux", Os.LINUX),
    ],
)
def test_every_name_of_an_operating_system_is_known_trap_18(sent: str, system: Os) -> None:
    request = params.decode_session_request(SESSION | {"os": sent})

    assert (request.os, request.os_sent) == (system, sent)


@pytest.mark.parametrize(
    ("sent", "headless"),
    [("1", True), ("0", False), ("true", True), ("false", False), ("", None), ("maybe", None)],
)
def test_headless_comes_in_two_spellings_trap_18(sent: str, headless: bool | None) -> None:
    assert params.decode_session_request(SESSION | {"headless": sent}).headless is headless


@pytest.mark.parametrize(
    ("sent", "gib"),
    [
        (8 * GIB_IN_KIB, 8),
        (1024 * GIB_IN_KIB, 1024),
        (8 * 1024**3, 8),
        (64 * 1024**3, 64),
        (limits.RAM_READ_AS_BYTES_FROM, 4),
    ],
    ids=["8 GiB in KiB", "1 TiB in KiB", "8 GiB in bytes", "64 GiB in bytes", "the border"],
)
def test_memory_is_kib_unless_only_bytes_make_sense_trap_18(sent: int, gib: int) -> None:
    assert params.decode_session_request(SESSION | {"ram": str(sent)}).ram_kib == gib * GIB_IN_KIB


def test_memory_just_below_the_border_is_kib() -> None:
    assert params.decode_session_request(SESSION | {"ram": str(2**32 - 1)}).ram_kib == 2**32 - 1


@pytest.mark.parametrize(("sent", "cores"), [("0", 1), ("1", 1), ("4096", 4096), ("99999", 4096)])
def test_number_of_cores_is_kept_within_reason(sent: str, cores: int) -> None:
    assert params.decode_session_request(SESSION | {"cpu_cores": sent}).cpu_cores == cores


def test_machine_id_without_leading_zeros_is_kept_trap_18() -> None:
    assert params.decode_session_request(SESSION | {"hwid": "1f"}).hwid == "1f"


def test_texts_lose_control_characters_and_are_cut() -> None:
    request = params.decode_session_request(
        SESSION | {"hostname": "a\x00b\nc\ud800d", "cpu_model_name": "x" * 300, "extras": "-x & +"}
    )

    assert request.hostname == "abcd"
    assert request.cpu_model_name == "x" * 255
    assert request.extras == "-x & +"


# --- work -------------------------------------------------------------------------------------------


def test_job_request_may_say_nothing() -> None:
    assert params.decode_work_request({}) == WorkRequest(compute_method=ComputeMethod.CPU_OR_GPU)


@pytest.mark.parametrize("odd", ["-1", "0", "", "abc", "NaN"])
def test_unset_limits_count_as_not_said_trap_18(odd: str) -> None:
    names = ("ram_max", "rendertime_max", "cpu_cores", "gpu_ram", "network_dl", "network_up", "computemethod")

    assert params.decode_work_request(dict.fromkeys(names, odd)) == WorkRequest()


def test_limits_of_a_job_request_are_read() -> None:
    request = params.decode_work_request(
        {"ram_max": str(8 * GIB_IN_KIB), "rendertime_max": "600", "network_dl": "125000.75"}
    )

    assert (request.ram_max_kib, request.rendertime_max) == (8 * GIB_IN_KIB, 600)
    assert request.network_download == 125_000


@pytest.mark.parametrize(
    ("sent", "tokens"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a,b,a,", ("a", "b")),
        ("good,b\x00d," + "x" * 129, ("good",)),
        (",".join(str(n) for n in range(100)), tuple(str(n) for n in range(limits.MAX_OPEN_TOKENS))),
    ],
)
def test_open_leases_of_our_own_client_are_read(sent: str, tokens: tuple[str, ...]) -> None:
    assert params.decode_work_request({"open_leases": sent}).open_tokens == tokens


def test_client_that_says_nothing_of_its_leases_is_told_apart_from_one_without() -> None:
    assert params.decode_work_request({}).open_tokens is None


# --- downloads --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("type=binary&job=42", ArchiveRequest(ArchiveKind.RENDERER, 42)),
        ("job=42&type=job", ArchiveRequest(ArchiveKind.SCENE, 42)),
        ("type=job&job=42&revision=0", ArchiveRequest(ArchiveKind.SCENE, 42, revision=0)),
        ("type=job&job=42&revision=latest", ArchiveRequest(ArchiveKind.SCENE, 42)),
    ],
)
def test_download_of_every_client_is_understood(query: str, request_: ArchiveRequest) -> None:
    assert params.decode_archive_request(dict(parse_qsl(query))) == request_


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("job=42", "'type' must be 'binary' or 'job'"),
        ("type=scene&job=42", "'type' must be 'binary' or 'job'"),
        ("type=job", "'job' is missing or not a job's id"),
        ("type=job&job=..", "'job' is missing or not a job's id"),
        ("type=job&job=-1", "'job' is missing or not a job's id"),
        ("type=job&job=2147483648", "'job' is missing or not a job's id"),
    ],
)
def test_impossible_download_is_404(query: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refusal:
        params.decode_archive_request(dict(parse_qsl(query)))

    assert refusal.value.status == 404


def test_downloads_of_clients_that_fetch_in_chunks_are_understood() -> None:
    assert params.decode_binary_request({"job": "42"}) == ArchiveRequest(ArchiveKind.RENDERER, 42)
    assert params.decode_chunk_request({"chunk": "c1"}) == "c1"


@pytest.mark.parametrize("parameters", [{}, {"chunk": ""}, {"chunk": "a b"}, {"chunk": "x" * 129}])
def test_impossible_chunk_is_404(parameters: dict[str, str]) -> None:
    with pytest.raises(Refused, match="'chunk' is missing or not a chunk's id") as refusal:
        params.decode_chunk_request(parameters)

    assert refusal.value.status == 404


# --- frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(UPLOAD))
def test_upload_without_a_needed_parameter_is_300(name: str) -> None:
    with pytest.raises(Refused, match=f"missing parameters: {name}$") as refusal:
        params.decode_frame_upload(without(UPLOAD, name))

    assert refusal.value.status is UploadStatus.MISSING_PARAMETER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("job", ""),
        ("job", "0"),
        ("job", "forest"),
        ("job", "9" * 30),
        ("frame", "-1"),
        ("frame", "1048575"),
        ("frame", "first"),
        ("extras", "with blank"),
        ("extras", "nul\x00"),
        ("extras", "x" * 129),
    ],
)
def test_upload_that_names_no_lease_is_300(name: str, value: str) -> None:
    with pytest.raises(Refused, match=f"the parameter '{name}' is not usable") as refusal:
        params.decode_frame_upload(UPLOAD | {name: value})

    assert refusal.value.status is UploadStatus.MISSING_PARAMETER


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("0", 0.0),
        ("61.5", 61.5),
        ("-1", -1.0),
        ("", -1.0),
        ("%!d(float64=12.5)", -1.0),
        ("nan", -1.0),
        ("inf", -1.0),
        ("1e300", -1.0),
    ],
)
def test_render_time_that_is_none_never_costs_the_frame_trap_18(sent: str, seconds: float) -> None:
    upload = params.decode_frame_upload(UPLOAD | {"rendertime": sent})

    assert upload == FrameUpload(job=42, frame=340, extras="token", rendertime=seconds)


@pytest.mark.parametrize(
    ("sent", "kib"),
    [("633810", 633_810), ("0", None), ("-1", None), ("?", None), ("12000000000", 11_718_750)],
)
def test_memory_of_an_upload_may_be_unknown(sent: str, kib: int | None) -> None:
    assert params.decode_frame_upload(UPLOAD | {"memoryused": sent}).memory_kib == kib


# --- heartbeats -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "beat"),
    [
        ("", Heartbeat()),
        (
            "frame=0340&job=42&extras=t&rendertime=61&remainingtime=0",
            Heartbeat(42, 340, "t", rendertime=61, remainingtime=0),
        ),
        ("frame=0340&job=42&rendertime=61&remainingtime=9", Heartbeat(42, 340, None, 61, 9)),
        (
            "paused=true&frame=0340&job=42&rendertime=1&remainingtime=2",
            Heartbeat(42, 340, None, 1, 2, paused=True),
        ),
        ("paused=false", Heartbeat(paused=False)),
        ("job=0&frame=0", Heartbeat(frame=0)),
        (
            "frame=340&job=42&rendertime=%25%21d%28float64%3D1%29&remainingtime=-3",
            Heartbeat(42, 340),
        ),
        ("job=%00&frame=x&extras=a%00b&paused=2", Heartbeat()),
    ],
)
def test_heartbeat_of_every_client_is_understood_trap_18(query: str, beat: Heartbeat) -> None:
    assert params.decode_heartbeat(dict(parse_qsl(query, keep_blank_values=True))) == beat


# --- error reports ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "report"),
    [
        ("", ErrorReport(ErrorKind.GENERIC)),
        ("type=", ErrorReport(ErrorKind.GENERIC)),
        ("type=-7", ErrorReport(ErrorKind.GENERIC)),
        ("type=broken", ErrorReport(ErrorKind.GENERIC)),
        ("type=0", ErrorReport(ErrorKind.OK)),
        ("type=12345", ErrorReport(12345)),
        (
            "type=13&frame=0340&job=42&render_time=-1&memoryused=0",
            ErrorReport(ErrorKind.OUT_OF_VIDEO_MEMORY, 42, 340),
        ),
        (
            "job=42&frame=0340&extras=t&rendertime=9&memoryused=100",
            ErrorReport(ErrorKind.GENERIC, 42, 340, "t", 9, 100),
        ),
        ("type=9&job=42&frame=0340&render_time=8", ErrorReport(ErrorKind.DOWNLOAD_FAILED, 42, 340, None, 8)),
        ("type=8&job=x&frame=y&extras=%00", ErrorReport(ErrorKind.NO_OUTPUT_FILE)),
    ],
)
def test_error_report_of_every_client_is_understood_trap_17(query: str, report: ErrorReport) -> None:
    assert params.decode_error_report(dict(parse_qsl(query, keep_blank_values=True))) == report


# --- what our client leaves out ---------------------------------------------------------------------


def test_client_sends_nothing_that_it_does_not_know() -> None:
    assert params.encode_work_request(WorkRequest()) == [("computemethod", "0")]
    assert params.encode_heartbeat(Heartbeat()) == []
    assert params.encode_error_report(ErrorReport(ErrorKind.GENERIC)) == [("type", "")]


def test_unknown_measures_travel_as_other_clients_send_them() -> None:
    upload = FrameUpload(job=42, frame=7, extras="", rendertime=-1)

    assert params.encode_upload_measures(upload) == [("rendertime", "-1"), ("memoryused", "0")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(12, "12"), (0.25, "0.25"), (1_234_567.0, "1234567"), (100.0, "100"), (0, "0")]
)
def test_render_time_travels_as_a_plain_number(seconds: float, text: str) -> None:
    pairs = params.encode_upload_measures(FrameUpload(42, 7, "t", seconds))

    assert pairs[0] == ("rendertime", text)


def test_frame_travels_with_four_digits_trap_12() -> None:
    upload: Any = dict(params.encode_frame_upload(FrameUpload(42, 7, "t", 1)))
    beyond: Any = dict(params.encode_frame_upload(FrameUpload(42, 12345, "t", 1)))

    assert (upload["frame"], beyond["frame"]) == ("0007", "12345")


def test_a_kind_of_error_that_no_database_keeps_is_the_generic_one() -> None:
    kinds = [params.decode_error_report({"type": text}).kind for text in ("-1", "2147483647", "2147483648", "9" * 18)]
    assert kinds == [ErrorKind.GENERIC, 2147483647, ErrorKind.GENERIC, ErrorKind.GENERIC]
