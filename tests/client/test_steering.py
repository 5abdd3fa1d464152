"""The owner steers a machine from the farm's site: the client obeys, says so, and shows why it does nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from running import Run
from seed_server import Call, SeedJob, SeedServer

from sheepfold.client.config import Settings
from sheepfold.client.control import Control, Wish
from sheepfold.client.events import FrameAccepted, FrameFailed, FrameStarted, Message, Stopping, Waiting
from sheepfold.client.instance import instance_name
from sheepfold.client.supply import ExitCode
from sheepfold.client.waits import after_trouble

MakeSettings = Callable[..., Settings]
Start = Callable[[Settings], Run]
MakeJob = Callable[..., SeedJob]
Answer = tuple[int, str, bytes]


class SteeredFarm(SeedServer):
    """A farm whose site says `wish`."""

    wish = "run"
    wait = 1  # seconds between heartbeats

    def _heartbeat(self, call: Call) -> Answer:
        return 200, "text/xml", f'<keepmealive status="0" wait="{self.wait}" wish="{self.wish}"/>'.encode()

    def _work(self, call: Call) -> Answer:
        if self.wish == "run":
            return super()._work(call)
        return 200, "text/xml", f'<jobrequest status="200" wait="600" wish="{self.wish}"/>'.encode()

    def wait_for_obeyed(self, wish: str) -> Call:
        """The first heartbeat that says that the client obeys it."""
        seen = 0
        while True:
            beats = self.wait_for("heartbeat", seen + 1)
            seen = len(beats)
            found = [beat for beat in beats if beat.query.get("wish") == wish]
            if found:
                return found[0]


@pytest.fixture
def farm() -> Iterator[SteeredFarm]:
    with SteeredFarm(extras="sheepfold/2 heartbeat=10 leases=1") as server:
        yield server


@pytest.fixture(autouse=True)
def _beats_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheepfold.client.heartbeat._FIRST_BEAT", 0.05)


def tell_to_stop_after_its_frame(farm: SteeredFarm, run: Run) -> None:
    """While it renders; the client has said that it will when this returns."""
    run.wait_for(FrameStarted)
    farm.wish = "stop-after-frame"
    farm.wait_for_obeyed("stop-after-frame")


def reasons(run: Run) -> list[str]:
    return [event.reason for event in run.of(Waiting) if isinstance(event, Waiting)]


def said(run: Run) -> list[str]:
    return [event.text for event in run.of(Message) if isinstance(event, Message)]


def test_pause_lets_the_frame_finish_and_resume_goes_on_at_once(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    farm.jobs.extend([job(1, hold=str(go_on)), job(2)])
    run = start(settings(farm.url))
    run.wait_for(FrameStarted)
    farm.wish = "pause"
    beat = farm.wait_for_obeyed("pause")
    assert (beat.query["frame"], beat.query["paused"]) == ("0001", "true"), "while it still renders"
    go_on.touch()
    run.wait_for(FrameAccepted)
    run.wait_for(Waiting)
    assert reasons(run) == ["paused on the farm's site"]
    assert len(farm.of("work")) == 1, "nothing is asked for in a pause"
    farm.wish = "run"
    run.wait_for(FrameAccepted, 2)
    assert said(run)[-2:] == [
        "paused on the farm's site: no new frame until it is resumed there",
        "resumed on the farm's site",
    ]
    assert run.stop() is ExitCode.OK


def test_what_is_obeyed_is_said_at_once_and_not_with_the_next_heartbeat(settings: MakeSettings, start: Start) -> None:
    with SteeredFarm(extras="sheepfold/2 heartbeat=900 leases=1") as farm:
        farm.answers["work"].append((200, "text/xml", b'<jobrequest status="200" wait="600"/>'))
        farm.wish, farm.wait = "pause", 900
        run = start(settings(farm.url))
        assert [beat.query["wish"] for beat in farm.wait_for("heartbeat", 2)] == ["run", "pause"]
        assert run.stop() is ExitCode.OK


def test_idle_client_hears_of_a_pause_with_its_question_and_of_its_end_long_before_the_next(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob
) -> None:
    farm.wish = "pause"
    run = start(settings(farm.url))
    run.wait_for(Waiting)
    assert reasons(run) == ["paused on the farm's site"], "and not that there is no work for ten minutes"
    farm.jobs.append(job(1))
    farm.wish = "run"
    run.wait_for(FrameAccepted)
    assert run.stop() is ExitCode.OK


def test_stop_after_the_frame_hands_it_over_and_ends(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    farm.jobs.extend([job(1, hold=str(go_on)), job(2)])
    run = start(settings(farm.url))
    tell_to_stop_after_its_frame(farm, run)
    go_on.touch()
    assert run.end() is ExitCode.OK
    assert [call.query["frame"] for call in farm.of("upload")] == ["0001"]
    assert len(farm.of("logout")) == 1
    assert run.of(Stopping) == [Stopping(now=False)]


def test_stop_after_the_frame_can_be_taken_back(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    farm.jobs.extend([job(1, hold=str(go_on)), job(2)])
    run = start(settings(farm.url))
    tell_to_stop_after_its_frame(farm, run)
    before = len(farm.of("heartbeat"))
    farm.wish = "run"
    farm.wait_for("heartbeat", before + 3)
    assert farm.of("heartbeat")[-1].query["wish"] == "run"
    go_on.touch()
    run.wait_for(FrameAccepted, 2)
    assert run.stop() is ExitCode.OK


def test_stop_that_is_taken_back_in_the_last_moment_is_not_obeyed(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    farm.jobs.extend([job(1, hold=str(go_on)), job(2)])
    run = start(settings(farm.url))
    tell_to_stop_after_its_frame(farm, run)
    farm.wish = "run"
    go_on.touch()
    run.wait_for(FrameAccepted, 2)
    assert run.stop() is ExitCode.OK


def test_stop_now_ends_the_whole_tree_and_gives_the_frame_back_by_its_logout(
    farm: SteeredFarm, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    farm.jobs.append(job(1, started=str(started), children=2, hold=str(tmp_path / "never")))
    run = start(settings(farm.url))
    while not started.exists():
        farm.wait_for("heartbeat", len(farm.of("heartbeat")) + 1)
    farm.wish = "stop-now"
    assert run.end() is ExitCode.STOPPED_NOW
    assert not any(lives(pid) for pid in json.loads(started.read_text()))
    assert (farm.of("upload"), farm.of("error"), len(farm.of("logout"))) == ([], [], 1)
    assert len(run.of(FrameFailed)) == 1
    assert Stopping(now=True) in run.events


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("extras", [None, "sheepfold/1 heartbeat=1 leases=1"])
def test_farm_that_does_not_steer_hears_no_wish(
    extras: str | None, settings: MakeSettings, start: Start, job: MakeJob, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    with SeedServer([job(1, hold=str(go_on))], max_period=1, extras=extras) as farm:
        run = start(settings(farm.url))
        assert "wish" not in farm.wait_for("heartbeat")[0].query
        go_on.touch()
        assert run.stop() is ExitCode.OK


def test_what_is_held_on_the_site_is_not_resumed_here() -> None:
    control = Control()
    assert control.obey_site(Wish.PAUSE)
    control.pause()
    control.resume()
    assert (control.wish, control.held_by_site) == (Wish.PAUSE, True)
    assert control.obey_site(Wish.RUN)
    assert (control.wish, control.held_by_site) == (Wish.RUN, False)


def test_what_is_paused_here_is_not_resumed_on_the_site() -> None:
    control = Control()
    control.pause()
    assert not control.obey_site(Wish.RUN)
    assert (control.wish, control.held_by_site) == (Wish.PAUSE, False)


def test_end_at_once_is_not_taken_back() -> None:
    control = Control()
    assert control.obey_site(Wish.STOP_NOW)
    assert not control.obey_site(Wish.RUN)
    assert control.wish is Wish.STOP_NOW


def said_at_login(call: Call) -> dict[str, str]:
    return dict(word.split("=") for word in call.query["extras"].split(" ")[1:])


def test_each_start_from_a_folder_has_the_same_instance_and_another_run(settings: MakeSettings, start: Start) -> None:
    with SeedServer() as farm:
        for _ in range(2):
            farm.answers["work"].append(201)
            assert start(settings(farm.url)).end() is ExitCode.NO_RENDERING_RIGHT
        first, second = (said_at_login(call) for call in farm.of("config") if "extras" in call.query)
    assert first["instance"] == second["instance"]
    assert first["run"] != second["run"]


def test_a_copied_folder_has_another_name_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = instance_name(tmp_path)
    assert instance_name(tmp_path) == here
    monkeypatch.setattr("socket.gethostname", lambda: "another-machine")
    assert instance_name(tmp_path) != here


def test_damaged_name_of_a_folder_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "instance").write_bytes(b"\xff\x00 nonsense")
    here = instance_name(tmp_path)
    assert instance_name(tmp_path) == here


def test_login_names_the_leases_of_finished_frames(settings: MakeSettings, start: Start, job: MakeJob) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].extend([303, 303])
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.FRAMES_WAITING
        assert "open_leases" not in farm.of("config")[-1].query
        run = start(settings(farm.url))
        run.wait_for(FrameAccepted)
        assert farm.of("config")[-1].query["open_leases"] == "t1"
        assert run.stop() is ExitCode.OK


def test_first_tries_after_a_failure_come_soon_and_later_ones_ever_more_slowly() -> None:
    waits = [[after_trouble(row) for _ in range(200)] for row in range(12)]
    bounds = (1, 2, 4, 8, 16, 32, 60, 120, 300, 300, 300, 300)
    for tries, wait in zip(waits, bounds, strict=True):
        assert 0.5 * wait <= min(tries) < max(tries) <= 1.5 * wait
    assert 30 <= after_trouble(0, told=30) <= 36


def test_an_answer_ends_the_row_of_failures(
    settings: MakeSettings, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sheepfold.client.waits._AFTER_TROUBLE", (0.01, 600.0))
    with SeedServer(extras="sheepfold/2 heartbeat=10 leases=1") as farm:
        away, idle = (503, "text/plain", b""), (200, "text/xml", b'<jobrequest status="200" wait="1"/>')
        farm.answers["work"].extend([away, idle, away])
        run = start(settings(farm.url))
        waiting = [event.seconds for event in run.wait_for(Waiting, 3) if isinstance(event, Waiting) and event.seconds]
        assert max(waiting[0], waiting[2]) < 0.02
        assert run.stop() is ExitCode.OK


def test_client_that_was_idle_for_long_tries_soon_when_the_farm_is_away(settings: MakeSettings, start: Start) -> None:
    with SeedServer(extras="sheepfold/2 heartbeat=10 leases=1") as farm:
        idle = (200, "text/xml", b'<jobrequest status="200" wait="1"/>')
        farm.answers["work"].extend([idle, idle, (503, "text/plain", b""), (503, "text/plain", b"")])
        run = start(settings(farm.url))
        waiting = [event.seconds for event in run.wait_for(Waiting, 4) if isinstance(event, Waiting) and event.seconds]
        assert waiting[:2] == [1, 1]
        assert 0.5 <= waiting[2] <= 1.5
        assert 1 <= waiting[3] <= 3
        assert run.stop() is ExitCode.OK
