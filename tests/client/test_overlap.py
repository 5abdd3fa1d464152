"""At a Sheepfold farm nothing waits: the next frame is fetched while one renders, finished ones upload meanwhile."""

from collections.abc import Callable
from pathlib import Path

from seed_server import Call, SeedJob, SeedServer

from sheepfold.client.config import Settings
from sheepfold.client.events import FrameAccepted, FrameRendered, FrameStarted, LoggedIn, Waiting
from sheepfold.client.supply import ExitCode

MakeSettings = Callable[..., Settings]
MakeJob = Callable[..., SeedJob]
FARM = "sheepfold/1 heartbeat=10 leases=3"


def test_next_frame_is_asked_for_while_one_renders(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    with SeedServer([job(1), job(2, hold=str(go_on)), job(3, lines=["third"]), job(4)], extras=FARM) as farm:
        run = start(settings(farm.url))
        run.wait_for(FrameStarted, 2)
        requests = farm.wait_for("work", 3)
        archives = farm.wait_for("archive", 4)
        assert len(run.of(FrameRendered)) == 1, "frame 2 renders while frame 3 was fetched"
        assert "t2" in requests[2].query["open_leases"].split(",")
        assert [call.query["type"] for call in archives] == ["binary", "job", "job", "job"]
        go_on.touch()
        run.wait_for(FrameAccepted, 3)
        assert run.stop() is ExitCode.OK


def test_slow_upload_does_not_stop_the_rendering(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob
) -> None:
    with SeedServer([job(1), job(2), job(3)], extras=FARM) as farm:

        def after_frame_2(call: Call) -> tuple[int, str, bytes]:
            run.wait_for(FrameRendered, 2)
            return 200, "text/xml", b'<jobvalidate status="0"/>'

        farm.answers["upload"].append(after_frame_2)
        run = start(settings(farm.url))
        run.wait_for(FrameAccepted, 3)
        assert run.stop() is ExitCode.OK
        assert sorted(call.query["frame"] for call in farm.of("upload")) == ["0001", "0002", "0003"]


def test_frames_in_the_outbox_count_as_open(settings: MakeSettings, start: Callable[..., object], job: MakeJob) -> None:
    with SeedServer([job(frame) for frame in (1, 2, 3, 4, 5)], extras="sheepfold/1 heartbeat=10 leases=2") as farm:
        farm.answers["upload"].extend([303] * 50)
        run = start(settings(farm.url, max_frames=4))
        assert run.end() is ExitCode.FRAMES_WAITING
        tokens = [call.query["open_leases"] for call in farm.of("work")]
        assert tokens[0] == ""
        assert set(tokens[-1].split(",")) >= {"t1", "t2"}


def test_plain_farm_is_asked_for_one_frame_at_a_time(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob
) -> None:
    with SeedServer([job(1), job(2), job(3)]) as farm:
        assert start(settings(farm.url, max_frames=3)).end() is ExitCode.OK
        order = [call.kind for call in farm.calls if call.kind in ("work", "upload")]
        assert order == ["work", "upload"] * 3
        assert all("open_leases" not in call.query for call in farm.of("work"))


def test_prefetch_can_be_switched_off(settings: MakeSettings, start: Callable[..., object], job: MakeJob) -> None:
    with SeedServer([job(1), job(2), job(3)], extras=FARM) as farm:
        run = start(settings(farm.url, max_frames=3, prefetch=False))
        assert run.end() is ExitCode.OK
        assert run.of(LoggedIn)[0].sheepfold
        assert len(farm.of("work")) == 3
        assert farm.of("work")[0].query["open_leases"] == ""


def test_heartbeat_follows_what_was_agreed(settings: MakeSettings, start: Callable[..., object], job: MakeJob) -> None:
    with SeedServer([], extras="sheepfold/1 heartbeat=1 leases=3") as farm:
        run = start(settings(farm.url))
        beats = farm.wait_for("heartbeat", 2)
        assert {call.query.get("paused") for call in beats} == {"false"}
        assert run.of(LoggedIn)[0].heartbeat == 1
        assert run.stop() is ExitCode.OK


def test_unstarted_frame_is_not_rendered_after_a_stop(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    with SeedServer([job(1), job(2, hold=str(go_on)), job(3, lines=["third"])], extras=FARM) as farm:
        run = start(settings(farm.url))
        run.wait_for(FrameStarted, 2)
        farm.wait_for("archive", 4)
        run.client.control.stop()
        go_on.touch()
        assert run.end() is ExitCode.OK
        assert sorted(call.query["frame"] for call in farm.of("upload")) == ["0001", "0002"]
        assert farm.of("error") == []
        assert len(farm.of("logout")) == 1


def test_no_more_is_asked_for_than_a_session_may_hold(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob
) -> None:
    with SeedServer([job(1), job(2), job(3)], extras="sheepfold/1 heartbeat=10 leases=2") as farm:

        def after_frame_2(call: Call) -> tuple[int, str, bytes]:
            run.wait_for(FrameRendered, 2)
            return 200, "text/xml", b'<jobvalidate status="0"/>'

        farm.answers["upload"].extend([after_frame_2, after_frame_2])
        run = start(settings(farm.url, max_frames=3))
        assert run.end() is ExitCode.OK
        order = [call.kind for call in farm.calls if call.kind in ("work", "upload")]
        assert order[:3] == ["work", "work", "upload"]
        assert run.of(Waiting) == []


def test_paused_client_gives_its_unstarted_frame_back(
    settings: MakeSettings, start: Callable[..., object], job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    with SeedServer([job(1), job(2, hold=str(go_on)), job(3, lines=["third"]), job(4)], extras=FARM) as farm:
        run = start(settings(farm.url, max_frames=3))
        run.wait_for(FrameStarted, 2)
        farm.wait_for("archive", 4)
        run.client.control.pause()
        go_on.touch()
        [report] = farm.wait_for("error")
        assert (report.query["type"], report.query["extras"]) == ("14", "t3")
        run.client.control.resume()
        assert run.end() is ExitCode.OK
        assert sorted(call.query["frame"] for call in farm.of("upload")) == ["0001", "0002", "0004"]
