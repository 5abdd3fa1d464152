"""Which client is which, and that no answer hurts the one that gets it."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from sheepfold.protocol import limits
from sheepfold.protocol.codes import Os, UploadStatus, WorkStatus
from sheepfold.protocol.extras import Extras, format_extras
from sheepfold.protocol.generations import (
    TRAITS,
    ArchiveNeeds,
    Generation,
    Synchronous,
    Upload,
    after_scene_download,
    after_work_request,
    recognise,
    traits_of,
)
from sheepfold.protocol.params import decode_session_request

SESSIONS = sorted((Path(__file__).parent.parent / "golden/foreign/sessions").iterdir())

JAVA = [generation for generation in Generation if generation.value.startswith("java")]
TO_2019 = [Generation.JAVA_2015, Generation.JAVA_2016, Generation.JAVA_2017, Generation.JAVA_2018]
FROM_2020 = [generation for generation in JAVA if generation not in TO_2019]


def recorded_session(path: Path) -> tuple[str, str, dict[str, str]]:
    """Method, user agent and parameters of a recorded session request."""
    head, _, form = path.read_text().partition("\n\n")
    request, agent = head.split("\n")
    method, url = request.split(" ", 1)
    pairs = parse_qsl(form or urlsplit(url).query, keep_blank_values=True)
    return method, agent.removeprefix("User-Agent: "), dict(pairs)


# --- recognition ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SESSIONS, ids=[path.stem for path in SESSIONS])
def test_client_is_recognised_by_its_session_request(path: Path) -> None:
    method, agent, parameters = recorded_session(path)

    assert recognise(parameters, method, agent).value == path.stem.partition(".")[0]


@pytest.mark.parametrize("path", SESSIONS, ids=[path.stem for path in SESSIONS])
def test_session_request_of_every_client_is_accepted(path: Path) -> None:
    request = decode_session_request(recorded_session(path)[2])

    assert request.bits == 64
    assert request.ram_kib == 16 * 1024 * 1024


def test_every_generation_but_those_seen_later_has_a_recording() -> None:
    recorded = {path.stem.partition(".")[0] for path in SESSIONS}

    assert recorded == {generation.value for generation in Generation} - {"java-2016"}


def test_every_generation_has_a_row() -> None:
    assert set(TRAITS) == set(Generation)


def test_our_client_is_known_by_its_extras_alone() -> None:
    assert recognise({"extras": format_extras(Extras())}, "GET", "") is Generation.SHEEPFOLD


@pytest.mark.parametrize(
    ("generation", "parameters", "after"),
    [
        (Generation.JAVA_2015, {"computemethod": "1"}, Generation.JAVA_2015),
        (Generation.JAVA_2015, {"computemethod": "1", "ram_max": "-1"}, Generation.JAVA_2016),
        (Generation.JAVA_2022, {"ram_max": "1"}, Generation.JAVA_2022),
        (Generation.UNKNOWN, {"ram_max": "1"}, Generation.UNKNOWN),
    ],
)
def test_job_request_tells_2016_from_2015(
    generation: Generation, parameters: dict[str, str], after: Generation
) -> None:
    assert after_work_request(generation, parameters) is after


@pytest.mark.parametrize(
    ("generation", "parameters", "after"),
    [
        (Generation.JAVA_2015, {"type": "job", "job": "1", "revision": "0"}, Generation.JAVA_2015),
        (Generation.JAVA_2015, {"type": "job", "job": "1"}, Generation.JAVA_2016),
        (Generation.GO_2017, {"type": "job", "job": "1"}, Generation.GO_2017),
    ],
)
def test_scene_download_tells_2016_from_2015(
    generation: Generation, parameters: dict[str, str], after: Generation
) -> None:
    assert after_scene_download(generation, parameters) is after


# --- statuses of a job request ----------------------------------------------------------------------

KEPT_BY_ALL = {
    WorkStatus.OK,
    WorkStatus.NO_JOB,
    WorkStatus.NO_RENDERING_RIGHT,
    WorkStatus.SESSION_DEAD,
    WorkStatus.SESSION_DISABLED,
}
# What each client understands beyond those; all else would stop it, put it to sleep or confuse it.
ALSO_KEPT = {
    Generation.JAVA_2015: {205},
    Generation.JAVA_2016: {205, 206, 207},
    Generation.JAVA_2017: {205, 206, 207},
    Generation.JAVA_2018: {205, 206, 207},
    Generation.JAVA_2020_04: {204, 205, 206, 207},
    Generation.JAVA_2020_07: {204, 205, 206, 207},
    Generation.JAVA_2021: {204, 205, 206, 207},
    Generation.JAVA_2022: {204, 205, 206, 207},
    Generation.RUST_2024: {204},
    Generation.GO_2017: {205},
    Generation.SHEEPFOLD: {204, 205, 206, 207, 208},
    Generation.UNKNOWN: {205},
}


@pytest.mark.parametrize("status", list(WorkStatus))
@pytest.mark.parametrize("generation", list(Generation))
def test_hurtful_work_status_becomes_no_job_trap_24(generation: Generation, status: WorkStatus) -> None:
    harmless = status in KEPT_BY_ALL or status.value in ALSO_KEPT[generation]
    expected = status if harmless else WorkStatus.NO_JOB

    assert traits_of(generation).work_status(status) is expected


# --- statuses of an upload --------------------------------------------------------------------------

FREEZING = {UploadStatus.MISSING_PARAMETER, UploadStatus.BROKEN_MACHINE, UploadStatus.SESSION_DISABLED}


@pytest.mark.parametrize("status", list(UploadStatus))
@pytest.mark.parametrize("generation", list(Generation))
def test_upload_status_that_freezes_a_client_is_kept_from_it_trap_14(
    generation: Generation, status: UploadStatus
) -> None:
    freezes = generation in TO_2019 and status in FREEZING
    expected = UploadStatus.UPLOAD_FAILED if freezes else status

    assert traits_of(generation).upload_status(status) is expected


# --- uploads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generation", "queued", "at_once"),
    [(generation, True, False) for generation in [*TO_2019, Generation.GO_2017, Generation.UNKNOWN]]
    + [(generation, False, True) for generation in [*FROM_2020, Generation.RUST_2024, Generation.SHEEPFOLD]],
)
def test_synchronous_upload_changed_its_meaning_in_2020_trap_19(
    generation: Generation, queued: bool, at_once: bool
) -> None:
    traits = traits_of(generation)

    assert traits.synchronous_upload(at_once=False) is queued
    assert traits.synchronous_upload(at_once=True) is at_once


@pytest.mark.parametrize("generation", [*FROM_2020, Generation.RUST_2024])
def test_clients_since_2020_hold_three_tiles_at_once_trap_19(generation: Generation) -> None:
    assert traits_of(generation).open_tiles == limits.FOREIGN_OPEN_TILES == 3


@pytest.mark.parametrize("generation", list(Generation))
def test_one_tile_at_a_time_goes_with_uploading_at_once_in_old_clients_trap_19(
    generation: Generation,
) -> None:
    traits = traits_of(generation)

    assert (traits.open_tiles == 1) == (generation in [*TO_2019, Generation.GO_2017])
    assert traits.open_tiles > 1 or traits.synchronous is Synchronous.QUEUED


def test_place_of_upload_changed_in_2020() -> None:
    places = {generation: traits_of(generation).uploads for generation in Generation}

    assert {g for g, place in places.items() if place is Upload.VALIDATE_JOB} == {
        *TO_2019,
        Generation.SHEEPFOLD,
        Generation.UNKNOWN,
    }
    assert {g for g, place in places.items() if place is Upload.NEVER} == {Generation.GO_2017}


# --- archives, scripts, stops -----------------------------------------------------------------------


def test_encrypted_scenes_go_to_nobody_who_cannot_open_them_trap_22() -> None:
    cannot = {generation for generation in Generation if not traits_of(generation).decrypts}

    assert cannot == {Generation.JAVA_2015, Generation.GO_2017, Generation.UNKNOWN}


def test_archives_must_keep_to_everybodys_needs_trap_22() -> None:
    assert traits_of(Generation.JAVA_2015).archive is ArchiveNeeds.NO_STREAMED_STORED
    assert traits_of(Generation.JAVA_2017).archive is ArchiveNeeds.DATES_FROM_1980
    assert ArchiveNeeds.DIRECTORIES_FIRST in traits_of(Generation.RUST_2024).archive
    assert ArchiveNeeds.DIRECTORIES_FIRST in traits_of(Generation.GO_2017).archive
    assert traits_of(Generation.UNKNOWN).archive == ~ArchiveNeeds.NONE


@pytest.mark.parametrize("generation", list(Generation))
def test_old_script_lines_get_the_old_name_of_the_preferences_trap_23(generation: Generation) -> None:
    words = traits_of(generation).commandline_words()
    old = generation in [*TO_2019, Generation.GO_2017, Generation.UNKNOWN]

    assert bool(words) == old
    assert all(" " not in word for word in words)


def test_every_client_since_2017_calls_the_compute_device_function_trap_23() -> None:
    silent = {generation for generation in Generation if not traits_of(generation).calls_set_compute_device}

    assert silent == {Generation.JAVA_2015, Generation.UNKNOWN}


@pytest.mark.parametrize("os", [Os.WINDOWS, Os.LINUX, Os.FREEBSD])
@pytest.mark.parametrize("generation", list(Generation))
def test_program_has_one_name_outside_the_mac(generation: Generation, os: Os) -> None:
    assert traits_of(generation).executables(os) == ("rend.exe",)


def test_program_on_a_mac_changed_its_case_in_2022() -> None:
    old = "Blender/blender.app/Contents/MacOS/blender"
    new = "Blender/Blender.app/Contents/MacOS/Blender"

    assert traits_of(Generation.JAVA_2021).executables(Os.MAC) == (old,)
    assert traits_of(Generation.JAVA_2022).executables(Os.MAC) == (old, new)
    assert traits_of(Generation.RUST_2024).executables(Os.MAC) == (new,)


def test_stop_is_not_followed_by_a_report_from_everybody_trap_15() -> None:
    silent = {generation for generation in Generation if not traits_of(generation).reports_stop}
    deaf = {generation for generation in Generation if not traits_of(generation).obeys_stop}

    assert silent == {
        Generation.JAVA_2015,
        Generation.JAVA_2016,
        Generation.RUST_2024,
        Generation.GO_2017,
        Generation.UNKNOWN,
    }
    assert deaf == {Generation.RUST_2024, Generation.GO_2017}


def test_rows_of_java_clients_are_in_the_order_they_were_built() -> None:
    days = [traits_of(generation).since for generation in JAVA]

    assert days == sorted(set(days))
