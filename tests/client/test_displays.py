"""What the owner sees."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from sheepfold.client.events import (
    Event,
    FarmStats,
    FrameAccepted,
    FrameFailed,
    FrameProgress,
    FrameRefused,
    FrameRendered,
    FrameStarted,
    Level,
    LoggedIn,
    Message,
    Stopping,
    UploadDelayed,
    Waiting,
)
from sheepfold.client.status import Status, duration, update
from sheepfold.client.thumbnail import thumbnail
from sheepfold.client.ui import JsonDisplay, LineDisplay, LiveDisplay, draw
from sheepfold.protocol.codes import ErrorKind

STORY: list[Event] = [
    Message(Level.INFO, "Blender runs in bubblewrap"),
    LoggedIn("CPU", "http://farm", True, 60),
    FarmStats(5, 3400, 1187, 3, 41),
    FrameStarted("CPU", "Forest", 42, 7),
    FrameProgress("CPU", 42, 7, 0.25, 10.0, 30.0, 2048),
    FrameRendered("CPU", 42, 7, 12.34, 2048, True, "/out/7.png"),
    FrameAccepted(42, 7),
    UploadDelayed(42, 8, "the farm answered HTTP 503", 120.0),
    FrameRefused(42, 9, "the picture has the wrong size"),
    FrameFailed("CPU", 42, 10, ErrorKind.OUT_OF_MEMORY, "no memory"),
    Waiting("CPU", "the farm has no work for this machine now", 300.0),
    Stopping(now=False),
]
LINES = [
    "Blender runs in bubblewrap",
    "CPU: logged in at http://farm",
    "CPU: Forest, frame 7",
    "CPU: frame 7 rendered in 12.3 s, Blender kept running",
    "frame 7 of job 42 accepted",
    "warning: frame 8 of job 42 is safe on disk, next upload in 2 min: the farm answered HTTP 503",
    "error: frame 9 of job 42 was not taken: the picture has the wrong size",
    "error: frame 10 of job 42 failed: no memory",
    "CPU: the farm has no work for this machine now (next try in 5 min)",
    "ending after this frame; once more to end now",
]


def test_lines() -> None:
    out = io.StringIO()
    display = LineDisplay(out)
    for event in STORY:
        display(event)
    display.close()
    assert out.getvalue().splitlines() == LINES


def test_client_that_waits_says_so_once_until_something_else_happens() -> None:
    out = io.StringIO()
    display = LineDisplay(out)
    no_work, other = Waiting("CPU", "no work", 5.0), Waiting("GPU", "no work", 5.0)
    for event in (no_work, FarmStats(5, 3400, 1187, 3, 41), no_work, other, no_work, other, STORY[3], no_work):
        display(event)
    assert out.getvalue().splitlines() == [
        "CPU: no work (next try in 5 s)",
        "GPU: no work (next try in 5 s)",
        "CPU: Forest, frame 7",
        "CPU: no work (next try in 5 s)",
    ]


def test_wait_for_another_reason_or_time_is_said() -> None:
    out = io.StringIO()
    display = LineDisplay(out)
    for event in (Waiting("CPU", "away", 1.0), Waiting("CPU", "away", 2.0), Waiting("CPU", "paused", None)):
        display(event)
    assert len(out.getvalue().splitlines()) == 3


@pytest.mark.parametrize(("typed", "line"), [(None, None), ("", "> pause, resume, stop, quit, help"), ("pau", "> pau")])
def test_live_display_shows_what_is_typed(typed: str | None, line: str | None) -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(draw(Status(), None, typed))
    assert [text for text in console.export_text().splitlines() if text.startswith(">")] == ([line] if line else [])


def test_progress_rewrites_one_line_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    display = LineDisplay(out)
    display(STORY[4])
    display(STORY[6])
    assert out.getvalue().startswith("\rCPU: frame 7: 25%, 30 s left")
    assert out.getvalue().endswith("\rframe 7 of job 42 accepted\n")


def test_json_has_every_event_with_its_fields() -> None:
    out = io.StringIO()
    display = JsonDisplay(out)
    for event in STORY:
        display(event)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [type(event).__name__ for event in STORY]
    assert events[9] == {
        "event": "FrameFailed", "device": "CPU", "job": 42, "frame": 10, "kind": 21, "reason": "no memory",
    }  # fmt: skip


def test_reader_that_has_gone_away_does_no_harm() -> None:
    out = io.StringIO()
    out.close()
    for display in (JsonDisplay(out), LineDisplay(out)):
        for event in STORY:
            display(event)
    assert out.closed


def test_live_display_shows_devices_counts_and_messages() -> None:
    status = Status()
    for event in STORY:
        status = update(status, event)
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(draw(status))
    text = console.export_text()
    for part in (
        "Sheepfold at http://farm",
        "frames delivered: 1",
        "1 failed, 1 refused",
        "3400 points",
        "next try in 5 min",
        "1 (12.3 s each)",
        "safe on disk",
        "ending",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (45, "45 s"), (90, "2 min"), (3000, "50 min"), (12600, "3.5 h")]
)
def test_times_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_thumbnail_shows_two_pixels_a_character(tmp_path: Path) -> None:
    path = tmp_path / "frame.png"
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 2, 4, 4))
    picture.save(path)
    text = thumbnail(path, width=4)
    assert text is not None
    assert text.plain == "▀▀▀▀\n▀▀▀▀\n"
    assert {str(span.style) for span in text.spans} == {"#ff0000 on #ff0000", "#0000ff on #0000ff"}


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x76\x2f\x31\x01 an EXR"])
def test_what_is_no_picture_has_no_thumbnail(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "frame.exr"
    if content is not None:
        path.write_bytes(content)
    assert thumbnail(path) is None


def test_live_display_on_a_terminal_ends_with_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "frame.png"
    Image.new("RGB", (64, 36), (1, 2, 3)).save(path)
    out = io.StringIO()
    display = LiveDisplay(Console(file=out, width=120, force_terminal=True, color_system="truecolor"))
    display(FrameRendered("CPU", 42, 7, 12.34, 2048, True, str(path)))
    display.close()
    assert "38;2;1;2;3" in out.getvalue()
    assert "Sheepfold" in out.getvalue()
