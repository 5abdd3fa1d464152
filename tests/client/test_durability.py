"""No finished frame is lost: not by a killed client, a farm that is away for days, or a full disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from seed_server import SeedJob, SeedServer

import sheepfold.client.outbox as outbox_module
import sheepfold.client.upload as upload_module
from sheepfold.client.config import Settings
from sheepfold.client.events import FrameAccepted, FrameRefused
from sheepfold.client.outbox import Entry, Outbox
from sheepfold.client.supply import ExitCode
from sheepfold.protocol.codes import ErrorKind
from sheepfold.protocol.messages import FrameUpload

MakeSettings = Callable[..., Settings]
FRAME = FrameUpload(job=42, frame=7, extras="t7", rendertime=1.5, revision=3, memory_kib=1000, cores=2)


def add(outbox: Outbox, folder: Path, frame: FrameUpload = FRAME, server: str = "http://farm") -> Entry:
    image = folder / f"{frame.job}_{frame.frame:04d}.png"
    image.write_bytes(b"picture %d" % frame.frame)
    return outbox.add(server, image, frame, "http://farm/x?job=42", "CPU")


def test_frame_is_the_same_after_a_restart(tmp_path: Path) -> None:
    entry = add(Outbox(tmp_path / "outbox"), tmp_path)
    found = Outbox(tmp_path / "outbox").entries("http://farm")
    assert found == [entry]
    assert found[0].image.read_bytes() == b"picture 7"
    assert not (tmp_path / "42_0007.png").exists()


def test_frames_come_in_the_order_of_their_end(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    for number in (5, 3, 9):
        add(outbox, tmp_path, replace(FRAME, frame=number))
    assert [entry.upload.frame for entry in outbox.entries("http://farm")] == [5, 3, 9]


def test_frames_of_another_farm_stay_for_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    add(outbox, tmp_path, server="http://other")
    assert outbox.entries("http://farm") == []
    assert len(outbox.entries("http://other")) == 1


@pytest.mark.parametrize("damage", ["no facts", "half facts", "no picture", "half picture", "strange file"])
def test_damaged_entries_do_not_disturb_the_others(damage: str, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    good, bad = add(outbox, tmp_path), add(outbox, tmp_path, replace(FRAME, frame=8))
    folder = bad.image.parent
    if damage == "no facts":
        (folder / "frame.json").unlink()
    elif damage == "half facts":
        (folder / "frame.json").write_text('{"server": "http://fa')
    elif damage == "no picture":
        bad.image.unlink()
    elif damage == "half picture":
        bad.image.write_bytes(b"pict")
    else:
        (tmp_path / "outbox" / "strange").write_text("?")
        outbox.remove(bad)
    assert Outbox(tmp_path / "outbox").entries("http://farm") == [good]


def test_picture_that_somebody_deleted_is_waited_for_no_longer(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    good, bad = add(outbox, tmp_path), add(outbox, tmp_path, replace(FRAME, frame=8))
    bad.image.unlink()
    assert outbox.entries("http://farm") == [good]


def test_frame_that_the_disk_refuses_to_sync_is_not_in_the_outbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path / "outbox")
    good, bad = add(outbox, tmp_path), add(outbox, tmp_path, replace(FRAME, frame=8))
    monkeypatch.setattr(outbox_module.os, "fsync", _full_disk)
    with pytest.raises(OSError, match="No space left"):
        outbox.make_safe(bad)
    assert outbox.entries("http://farm") == [good]
    assert Outbox(tmp_path / "outbox").entries("http://farm") == [good]


def _full_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_frame_that_the_farm_took_before_it_was_synced_is_no_failure(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    entry = add(outbox, tmp_path)
    outbox.remove(entry)
    outbox.make_safe(entry)
    assert outbox.entries("http://farm") == []


def test_farm_hears_of_a_frame_that_the_disk_lost(
    settings: MakeSettings, start: Callable[..., object], job: Callable[..., SeedJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].extend([303] * 10)
        monkeypatch.setattr(outbox_module.os, "fsync", _full_disk)
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        report = farm.of("error")[0]
        assert (report.query["type"], report.query["frame"]) == (str(int(ErrorKind.NO_DISK_SPACE)), "0001")
        assert b"the picture cannot be kept: [Errno 28] No space left on device" in report.file


def test_half_written_entries_are_cleared_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "outbox" / "abc.partial").mkdir(parents=True)
    assert Outbox(tmp_path / "outbox").entries("http://farm") == []
    assert list((tmp_path / "outbox").iterdir()) == []


def test_frame_that_cannot_be_kept_leaves_nothing_half_done(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    with pytest.raises(OSError, match="missing"):
        outbox.add("http://farm", tmp_path / "missing.png", FRAME)
    assert list((tmp_path / "outbox").iterdir()) == []


def test_frame_is_given_up_after_two_weeks(
    settings: MakeSettings, start: Callable[..., object], job: Callable[..., SeedJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SeedServer([job(1)]) as farm:
        farm.answers["upload"].extend([303] * 10)
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.FRAMES_WAITING
        monkeypatch.setattr(upload_module, "_KEPT_DAYS", 0)
        run = start(settings(farm.url))
        refused = run.wait_for(FrameRefused)
        assert refused[0].reason.startswith("not taken for 0 days")
        assert run.stop() is ExitCode.OK


def command(settings: Settings, *flags: str) -> list[str]:
    return [
        sys.executable, "-m", "sheepfold", "client", "--json", "--cage", "none", "--no-living", *flags,
        "--server", settings.server, "--login", "anna",
        "--key", str(settings.key_file), "--cache-dir", str(settings.cache_dir),
    ]  # fmt: skip


def wait_until(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} does not appear"
        time.sleep(0.01)


def read_until(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    """What the program says, up to a line with these words."""
    assert process.stdout is not None
    lines: list[bytes] = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], b"".join(lines)
    return b"".join(lines)


@pytest.fixture
def spawn() -> object:
    processes: list[subprocess.Popen[bytes]] = []

    def spawn_one(words: list[str]) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        return processes[-1]

    yield spawn_one
    for process in processes:
        process.kill()
        process.communicate()


def test_killed_client_takes_blender_along_and_hands_its_frames_over_next_time(
    settings: MakeSettings, spawn: Callable[..., subprocess.Popen[bytes]], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with SeedServer([job(1), job(2, started=str(started), hold=str(tmp_path / "never"))]) as farm:
        farm.answers["upload"].append(303)
        mine = settings(farm.url)
        process = spawn(command(mine))
        wait_until(started)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        renderer = psutil.Process(json.loads(started.read_text())[0])
        _, alive = psutil.wait_procs([renderer], timeout=20)
        assert all(each.status() == psutil.STATUS_ZOMBIE for each in alive)

        again = spawn(command(mine))
        uploads = farm.wait_for("upload", 2)
        again.send_signal(signal.SIGINT)
        output, _ = again.communicate(timeout=60)
        assert again.returncode == ExitCode.OK, output
        assert [call.query["frame"] for call in uploads] == ["0001", "0001"]
        assert list((mine.cache_dir / "outbox").iterdir()) == []


def test_second_client_in_the_same_folder_is_refused(
    settings: MakeSettings, spawn: Callable[..., subprocess.Popen[bytes]], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    with SeedServer([job(1, started=str(tmp_path / "started"), hold=str(tmp_path / "never"))]) as farm:
        first = spawn(command(settings(farm.url)))
        wait_until(tmp_path / "started")
        second = spawn(command(settings(farm.url)))
        output, _ = second.communicate(timeout=60)
        assert second.returncode == ExitCode.BAD_SETTINGS
        assert b"another client uses" in output
        assert first.poll() is None


def test_key_is_neither_in_the_process_list_nor_in_the_output(
    settings: MakeSettings, spawn: Callable[..., subprocess.Popen[bytes]], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    log = tmp_path / "client.log"
    with SeedServer([job(1, started=str(tmp_path / "started"), hold=str(tmp_path / "never"))]) as farm:
        process = spawn(command(settings(farm.url), "--log-file", str(log)))
        wait_until(tmp_path / "started")
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        seen = " ".join(" ".join(each.cmdline()) + str(each.environ()) for each in tree)
        process.send_signal(signal.SIGINT)
        said = read_until(process, b'"Stopping"')
        process.send_signal(signal.SIGINT)
        output = said + process.communicate(timeout=60)[0]
        assert "secret" not in seen
        assert b"secret" not in output
        assert "secret" not in log.read_text()
        assert "logged in" in log.read_text()
        assert process.returncode == ExitCode.STOPPED_NOW


def test_frames_of_a_device_that_is_gone_are_handed_over(
    settings: MakeSettings, start: Callable[..., object], tmp_path: Path
) -> None:
    with SeedServer() as farm:
        mine = settings(farm.url)
        image = tmp_path / "42_0007.png"
        image.write_bytes(b"picture")
        Outbox(mine.cache_dir / "outbox").add(farm.url, image, FRAME, owner="a card that was sold")
        run = start(mine)
        assert run.wait_for(FrameAccepted)[0].frame == 7
        assert run.stop() is ExitCode.OK
