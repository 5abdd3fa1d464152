"""What the owner sees: a live table, plain lines, or JSON events. All are listeners of the client's events."""

import contextlib
import json
import logging
import logging.handlers
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sheepfold.client.config import Ui
from sheepfold.client.events import (
    Downloading,
    Event,
    FarmStats,
    FrameAccepted,
    FrameFailed,
    FrameProgress,
    FrameRendered,
    FrameStarted,
    Level,
    LoggedIn,
    Message,
    Stopping,
    Waiting,
)
from sheepfold.client.status import DeviceStatus, Status, duration, update, waiting_words
from sheepfold.client.thumbnail import thumbnail

_COLOURS = {Level.INFO: "default", Level.WARNING: "yellow", Level.ERROR: "red"}
_log = logging.getLogger("sheepfold.client")


class Display(Protocol):
    """Shows events until closed."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...


def make_display(ui: Ui, out: TextIO) -> Display:
    """The display that the settings ask for; a live one needs a terminal."""
    if ui is Ui.JSON:
        return JsonDisplay(out)
    if ui is Ui.LIVE and out.isatty():
        return LiveDisplay(Console(file=out))
    return LineDisplay(out)


class JsonDisplay:
    """One JSON object a line: the event's name under `event`, its fields beside it."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out, self._lock = out or sys.stdout, threading.Lock()

    def __call__(self, event: Event) -> None:
        line = json.dumps({"event": type(event).__name__, **asdict(event)})
        with self._lock:
            _write(self._out, f"{line}\n")

    def close(self) -> None:
        """Every line is out already."""


class LineDisplay:
    """A line for each step. On a terminal the progress of a frame rewrites the last line."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out, self._lock = out or sys.stdout, threading.Lock()
        self._is_terminal = not self._out.closed and self._out.isatty()
        self._lines = Lines()
        self._rewriting = False

    def __call__(self, event: Event) -> None:
        with self._lock:
            text = self._lines.of(event)
            if text is not None:
                self._print(text)
            elif isinstance(event, FrameProgress) and self._is_terminal:
                self._rewrite(progress_words(event))

    def close(self) -> None:
        with self._lock:
            self._end_rewriting()

    def _print(self, text: str) -> None:
        self._end_rewriting()
        _write(self._out, f"{text}\n")

    def _rewrite(self, text: str) -> None:
        self._rewriting = True
        _write(self._out, f"\r{text:<78}")

    def _end_rewriting(self) -> None:
        if self._rewriting:
            _write(self._out, f"\r{'':<78}\r")
        self._rewriting = False


class LiveDisplay:
    """A table that is redrawn four times a second."""

    def __init__(self, console: Console) -> None:
        self._status, self._lock = Status(), threading.Lock()
        self._picture: Text | None = None
        self._typed: str | None = None
        self._colours = console.color_system not in (None, "standard")
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=False)
        self._live.start()

    def __call__(self, event: Event) -> None:
        picture = thumbnail(Path(event.image)) if self._colours and isinstance(event, FrameRendered) else None
        with self._lock:
            self._status = update(self._status, event)
            self._picture = picture or self._picture

    def show_typed(self, text: str) -> None:
        """What the owner has typed of the next command; from the first call on there is a line for it."""
        with self._lock:
            self._typed = text

    def close(self) -> None:
        self._typed = None
        self._live.stop()

    def _draw(self) -> RenderableType:
        with self._lock:
            return draw(self._status, self._picture, self._typed)


def _write(out: TextIO, text: str) -> None:
    """A reader that has gone away must not end the rendering."""
    with contextlib.suppress(OSError, ValueError):
        out.write(text)
        out.flush()


def draw(status: Status, picture: Text | None = None, typed: str | None = None) -> RenderableType:
    """The whole display as something that rich can print, with the latest `picture` where there is one.

    `typed`: what there is of the owner's next command; None where none can be typed.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
    for column in ("Device", "Now", "", "Left", "Memory", "Frames"):
        table.add_column(column, no_wrap=True)
    for name, device in status.devices.items():
        table.add_row(*_row(name, device))
    parts: list[RenderableType] = [Text(_headline(status), style="bold"), table, *_messages(status)]
    if picture is not None:
        parts.append(picture)
    if typed is not None:
        parts.append(Text(f"> {typed}") if typed else Text("> pause, resume, stop, quit, help", style="dim"))
    return Group(*parts)


def line_of(event: Event) -> str | None:
    """An event as one line for people; None for those that come too often."""
    match event:
        case FrameStarted():
            return f"{event.device}: {event.project or f'job {event.job}'}, frame {event.frame}"
        case FrameRendered():
            how = ", Blender kept running" if event.living else ""
            return f"{event.device}: frame {event.frame} rendered in {event.seconds:.1f} s{how}"
        case FrameAccepted():
            return f"frame {event.frame} of job {event.job} accepted"
        case LoggedIn():
            return f"{event.device}: logged in at {event.server}"
        case Waiting():
            return f"{event.device}: {waiting_words(event)}"
        case Stopping():
            return "ending now" if event.now else "ending after this frame; once more to end now"
        case FrameProgress() | Downloading() | FarmStats():
            return None
        case Message():
            return event.text if event.level is Level.INFO else f"{event.level.value}: {event.text}"
        case _:
            message = update(Status(), event).messages[-1]
            return f"{message.level.value}: {message.text}"


class Lines:
    """Events as lines, those of a client that waits only once: it says the same every few seconds."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}

    def of(self, event: Event) -> str | None:
        """The line of an event, None when there is nothing new to say."""
        text = line_of(event)
        if text is None:
            return None
        if not isinstance(event, Waiting):
            self._waiting.clear()
        elif self._waiting.get(event.device) == text:
            return None
        else:
            self._waiting[event.device] = text
        return text


def progress_words(event: FrameProgress) -> str:
    """`frame 12: 45 %, 20 s left`."""
    percent = "" if event.fraction is None else f"{event.fraction:.0%}"
    left = "" if event.remaining is None else f"{duration(event.remaining)} left"
    return f"{event.device}: frame {event.frame}: {', '.join(filter(None, (percent, left)))}"


class LogListener:
    """Writes events into the client's log."""

    def __init__(self) -> None:
        self._lines = Lines()

    def __call__(self, event: Event) -> None:
        text = self._lines.of(event)
        if text is not None:
            _log.log(logging.WARNING if isinstance(event, FrameFailed) else logging.INFO, text)


def start_log(path: Path) -> None:
    """Keep a log of 5 MB and three old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


def _headline(status: Status) -> str:
    parts = [f"Sheepfold at {status.farm}" if status.farm else "Sheepfold"]
    parts.append(f"frames delivered: {status.accepted}")
    if status.failed or status.refused:
        parts.append(f"{status.failed} failed, {status.refused} refused")
    if status.stats is not None:
        parts.append(f"{status.stats.credits_total} points, {status.stats.frames_remaining} frames wait at the farm")
    if status.ending:
        parts.append("ending")
    return " · ".join(parts)


def _row(name: str, device: DeviceStatus) -> list[RenderableType]:
    bar: RenderableType = "" if device.fraction is None else ProgressBar(1.0, device.fraction, width=24)
    left = "" if device.remaining is None else duration(device.remaining)
    memory = f"{device.memory_kib / 1024:.0f} MB" if device.memory_kib else ""
    mean = f" ({device.render_seconds / device.rendered:.1f} s each)" if device.rendered else ""
    return [name, device.doing, bar, left, memory, f"{device.rendered}{mean}"]


def _messages(status: Status) -> list[Text]:
    return [Text(message.text, style=_COLOURS[message.level]) for message in status.messages]
