"""Several devices in one client: one login, one cache, a session for each; cards that fail are left out."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from seed_server import SeedJob, SeedServer

from sheepfold.client.config import Settings
from sheepfold.client.events import FrameRendered, LoggedIn, Message
from sheepfold.client.supply import ExitCode
from sheepfold.client.task import Device, DeviceKind

CARD = Device(DeviceKind.GPU, "OPTIX", "OPTIX_Card_0000:01:00", "Card", 8 * 1024**3)


def test_each_device_has_a_session_and_all_share_the_archives(
    settings: Callable[..., Settings],
    start: Callable[..., object],
    job: Callable[..., SeedJob],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("sheepfold.client.worker._devices", lambda settings, listener: [Device(), CARD])
    go_on = tmp_path / "go-on"
    with SeedServer([job(1, hold=str(go_on)), job(1, hold=str(go_on)), job(3)]) as farm:
        run = start(settings(farm.url))
        farm.wait_for("archive", 2)
        farm.wait_for("work", 2)
        go_on.touch()
        run.wait_for(FrameRendered, 3)
        assert run.stop() is ExitCode.OK
        assert {event.device for event in run.of(LoggedIn)} == {"CPU", "Card"}
        methods = {call.query["computemethod"]: call.query for call in farm.of("work")}
        assert set(methods) == {"1", "2"}
        assert (methods["2"]["gpu_model"], methods["2"]["gpu_ram"]) == ("Card", str(8 * 1024**3))
        assert len(farm.of("logout")) == 2
        assert len(farm.of("archive")) == 3, "the renderer once, two scenes once each"


def test_card_that_fails_its_test_is_left_out_and_the_processor_steps_in(
    settings: Callable[..., Settings], start: Callable[..., object], job: Callable[..., SeedJob], tmp_path: Path
) -> None:
    blender = tmp_path / "blender"
    listed = json.dumps([{"type": CARD.compute_type, "id": CARD.id, "name": CARD.name}])
    blender.write_text(f"#!{sys.executable}\nprint('sheepfold-devices ' + {listed!r})\n")
    blender.chmod(0o755)
    with SeedServer([job(1)]) as farm:
        run = start(settings(farm.url, devices=("gpu",), blender=str(blender), max_frames=1))
        assert run.end() is ExitCode.OK
        texts = [event.text for event in run.of(Message)]
        assert "Card cannot render with OPTIX: it is left out" in texts
        assert [event.device for event in run.of(FrameRendered)] == ["CPU"]


def test_unknown_device_ends_the_client_with_the_list(
    settings: Callable[..., Settings], start: Callable[..., object]
) -> None:
    run = start(settings("http://127.0.0.1:1", devices=("gpu",)))
    assert run.end() is ExitCode.BAD_SETTINGS
    assert "there is no 'gpu' here; there is: cpu" in run.of(Message)[-1].text
