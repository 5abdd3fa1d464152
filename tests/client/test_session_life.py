"""The life of a client at a plain SheepIt farm, over a real socket, with a script in Blender's place."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from running import Run
from seed_server import CONFIG, Call, SeedJob, SeedServer

from sheepfold.client.config import Settings
from sheepfold.client.events import FrameAccepted, FrameFailed, FrameRefused, Message, Waiting
from sheepfold.client.supply import ExitCode

MakeSettings = Callable[..., Settings]


def test_renders_all_frames_and_logs_out(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1), job(2), job(3)]) as farm:
        run = start(settings(farm.url, max_frames=3))
        assert run.end() is ExitCode.OK
        uploads = farm.of("upload")
        assert [(call.query["job"], call.query["frame"], call.query["extras"]) for call in uploads] == [
            ("42", "0001", "t1"),
            ("42", "0002", "t2"),
            ("42", "0003", "t3"),
        ]
        assert all(call.file.startswith(b"\x89PNG") for call in uploads)
        assert {call.query["revision"] for call in uploads} == {"3"}
        assert [call.kind for call in farm.calls][-1] == "logout"
        assert len(farm.of("archive")) == 2, "both archives are fetched once"


def test_key_goes_into_the_query_only_where_the_farm_does_not_read_forms(
    settings: MakeSettings, start: Callable[[Settings], Run]
) -> None:
    with SeedServer() as farm:
        farm.answers["config"].append((200, "text/xml", b'<config status="102"/>'))
        assert start(settings(farm.url)).end() is ExitCode.LOGIN_REFUSED
        assert [(call.method, call.query) for call in farm.calls] == [("POST", {})]


def test_keeps_the_cookie_and_lists_its_archives(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    jobs = [job(1), job(2)]
    with SeedServer(jobs) as farm:
        assert start(settings(farm.url, max_frames=2)).end() is ExitCode.OK
        first, second = farm.of("work")
        assert b"<file" not in first.body
        assert second.body.count(b"<file md5=") == 2
        assert {call.headers.get("cookie") for call in farm.calls[2:]} == {"PHPSESSID=s1"}


@pytest.mark.parametrize(
    ("status", "code"),
    [(201, ExitCode.NO_RENDERING_RIGHT), (203, ExitCode.SESSION_DISABLED)],
)
def test_leaves_and_logs_out_when_the_farm_does_not_want_it(
    status: int, code: ExitCode, settings: MakeSettings, start: Callable[[Settings], Run]
) -> None:
    with SeedServer() as farm:
        farm.answers["work"].append(status)
        run = start(settings(farm.url))
        assert run.end() is code
        assert len(farm.of("logout")) == 1
        assert [event.level for event in run.of(Message)][-1] == "error"


@pytest.mark.parametrize("status", [100, 101, 102, 104, 999])
def test_ends_when_the_farm_refuses_the_session(
    status: int, settings: MakeSettings, start: Callable[[Settings], Run]
) -> None:
    with SeedServer() as farm:
        farm.answers["config"].extend([status, status])
        assert start(settings(farm.url)).end() is ExitCode.LOGIN_REFUSED
        assert farm.of("work") == []


@pytest.mark.parametrize("status", [200, 204, 205, 206, 207, 777])
def test_waits_and_says_when_it_asks_again(
    status: int, settings: MakeSettings, start: Callable[[Settings], Run]
) -> None:
    with SeedServer() as farm:
        farm.answers["work"].append(status)
        run = start(settings(farm.url))
        waiting = run.wait_for(Waiting)[0]
        assert isinstance(waiting, Waiting)
        assert waiting.seconds is not None
        assert 60 <= waiting.seconds <= 1080
        assert run.stop() is ExitCode.OK
        assert len(farm.of("work")) == 1


def test_dead_session_is_renewed_and_work_asked_for_at_once(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(5)]) as farm:
        farm.answers["work"].append(202)
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        assert [call.kind for call in farm.calls if call.kind != "archive"] == [
            "config", "config", "work", "config", "config", "work", "upload", "logout",
        ]  # fmt: skip


def test_stop_by_heartbeat_kills_the_whole_tree_and_reports_it(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    long = job(7, started=str(started), children=2, hold=str(tmp_path / "never"))
    with SeedServer([long, job(8)], max_period=1) as farm:
        farm.answers["heartbeat"].extend([stop_when(started)] * 200)
        run = start(settings(farm.url))
        failed = run.wait_for(FrameFailed)[0]
        assert isinstance(failed, FrameFailed)
        assert (failed.frame, int(failed.kind)) == (7, 22)
        report = farm.wait_for("error")[0]
        assert (report.query["type"], report.query["job"], report.query["frame"]) == ("22", "42", "0007")
        assert not any(lives(pid) for pid in json.loads(started.read_text()))
        assert farm.wait_for("upload")[0].query["frame"] == "0008"
        assert run.stop() is ExitCode.OK


def lives(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be cleared away does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop_when(started: Path) -> Callable[[Call], tuple[int, str, bytes]]:
    """A heartbeat's answer that stops frame 7 once its renderer runs."""

    def answer(call: Call) -> tuple[int, str, bytes]:
        stop = started.exists() and call.query.get("frame") == "0007"
        return 200, "text/xml", b'<keepmealive status="%d"/>' % (400 if stop else 0)

    return answer


def test_failure_is_reported_with_the_log_of_the_job(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(3, image=False, exit=1, lines=["the world is upside down"]), job(4)]) as farm:
        run = start(settings(farm.url, max_frames=1))
        assert run.end() is ExitCode.OK
        report = farm.of("error")[0]
        assert report.query["type"] == "8"
        assert report.query["extras"] == "t3"
        assert b"the world is upside down" in report.file
        assert b"secret" not in report.file
        assert [call.query["frame"] for call in farm.of("upload")] == ["0004"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [("CUDA error: Out of memory in cuMemAlloc", "13"), ("Calloc returns null: len=64", "21")],
)
def test_telling_line_ends_the_frame_even_with_a_picture(
    line: str, kind: str, settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(3, lines=[line]), job(4)]) as farm:
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        assert [call.query["type"] for call in farm.of("error")] == [kind]


@pytest.mark.parametrize("status", [300, 306, 308])
def test_refused_frame_is_reported_and_not_sent_again(
    status: int, settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].append(status)
        run = start(settings(farm.url, max_frames=1))
        assert run.end() is ExitCode.OK
        assert len(farm.of("upload")) == 1
        assert len(farm.of("error")) == 1
        assert len(run.of(FrameRefused)) == 1
        assert run.of(FrameAccepted) == []


def test_broken_machine_is_told_to_the_owner_and_ends(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1), job(2)]) as farm:
        farm.answers["upload"].append(301)
        assert start(settings(farm.url)).end() is ExitCode.SESSION_DISABLED
        assert len(farm.of("upload")) == 1
        assert len(farm.of("work")) == 1


def test_ended_session_is_renewed_for_an_upload(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].append(304)
        run = start(settings(farm.url, max_frames=1))
        assert run.end() is ExitCode.OK
        assert len(farm.of("upload")) == 2
        assert len(run.of(FrameAccepted)) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        303,
        (500, "text/html", b"oops"),
        (200, "text/html", b"<html>Log in to this network</html>"),
        (200, "text/xml", b"<jobvalidate"),
    ],
    ids=["303", "500", "portal", "broken"],
)
def test_frame_in_trouble_is_handed_over_at_the_end(
    trouble: object, settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].append(trouble)
        run = start(settings(farm.url, max_frames=1))
        assert run.end() is ExitCode.OK
        assert [call.query["frame"] for call in farm.of("upload")] == ["0001", "0001"]
        assert len(run.of(FrameAccepted)) == 1


def test_frames_survive_a_farm_that_is_away_until_the_next_run(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].extend([303, 303])
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.FRAMES_WAITING
        farm.calls.clear()
        run = start(settings(farm.url))
        run.wait_for(FrameAccepted)
        assert run.stop() is ExitCode.OK
        assert [call.query["extras"] for call in farm.of("upload")] == ["t1"]
    assert list((settings(farm.url).cache_dir / "outbox").iterdir()) == []


def test_second_stop_ends_at_once_and_leaves_no_process(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with SeedServer([job(1, started=str(started), children=1, hold=str(tmp_path / "never"))], max_period=1) as farm:
        run = start(settings(farm.url))
        farm.answers["heartbeat"].extend([0] * 100)
        while not started.exists():
            farm.wait_for("heartbeat", len(farm.of("heartbeat")) + 1)
        run.client.control.stop()
        run.client.control.stop()
        assert run.end() is ExitCode.STOPPED_NOW
        assert not any(lives(pid) for pid in json.loads(started.read_text()))
        assert farm.of("error") == []
        assert len(farm.of("logout")) == 1


def test_end_at_once_of_a_client_that_waits_throws_nothing_away(
    settings: MakeSettings, start: Callable[[Settings], Run]
) -> None:
    with SeedServer() as farm:
        run = start(settings(farm.url))
        run.wait_for(Waiting)
        run.client.control.stop_now()
        assert run.end() is ExitCode.OK


def test_first_stop_lets_the_frame_finish(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go-on"
    with SeedServer([job(1, started=str(started), hold=str(go_on)), job(2)], max_period=1) as farm:
        run = start(settings(farm.url))
        while not started.exists():
            farm.wait_for("heartbeat", len(farm.of("heartbeat")) + 1)
        run.client.control.stop()
        go_on.touch()
        assert run.end() is ExitCode.OK
        assert [call.query["frame"] for call in farm.of("upload")] == ["0001"]


def test_missing_archive_is_reported_after_five_attempts(
    settings: MakeSettings,
    start: Callable[[Settings], Run],
    job: Callable[..., SeedJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with SeedServer([job(1), job(2)]) as farm:
        farm.answers["archive"].extend([(404, "text/plain", b"")] * 5)
        monkeypatch.setattr("sheepfold.client.supply._AFTER_TROUBLE", (0.1,))
        monkeypatch.setattr("sheepfold.client.fetch._pause", lambda attempt: 0.01)
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        assert [call.query["type"] for call in farm.of("error")] == ["9"]
        assert len(farm.of("archive")) == 5 + 2


def test_blocked_project_is_reported_and_the_next_asked_for_at_once(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with SeedServer([job(1, started=str(started), hold=str(tmp_path / "never")), job(2)], max_period=1) as farm:
        run = start(settings(farm.url, max_frames=1))
        while not started.exists():
            farm.wait_for("heartbeat", len(farm.of("heartbeat")) + 1)
        run.client.block_projects()
        assert run.end() is ExitCode.OK
        assert [call.query["type"] for call in farm.of("error")] == ["20"]
        assert [call.query["frame"] for call in farm.of("upload")] == ["0002"]


def test_frame_goes_to_the_address_of_the_job_where_the_farm_has_no_other(
    settings: MakeSettings, start: Callable[[Settings], Run], job: Callable[..., SeedJob]
) -> None:
    with SeedServer() as farm:
        address = quote(f"{farm.url}/server/send_frame.php?job=42&frame=0001&extras=t1", safe="")
        farm.jobs.append(replace(job(1), attributes=f'validation_url="{address}"'))
        newer = CONFIG.format(max_period=900, more="").replace('type="validate-job"', 'type="something-new"')
        farm.answers["config"].append((200, "text/xml", newer.encode()))
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        [upload] = farm.of("upload")
        assert {name: upload.query[name] for name in ("job", "frame", "extras")} == {
            "job": "42", "frame": "0001", "extras": "t1",
        }  # fmt: skip
        assert upload.query.keys() >= {"rendertime", "memoryused"}
        assert upload.file.startswith(b"\x89PNG")
