"""Follows a project in the terminal until it ends."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sheepfold.commands.farm import Farm
from sheepfold.commands.show import Row, duration

ENDED = frozenset({"finished", "cancelled", "rejected", "blocked"})
LOOK_SECONDS = 1.0
SHOWN_FRAMES = 8
BAR_WIDTH = 24


@dataclass(frozen=True)
class View:
    """A project and its newest frames, at one moment."""

    project: Row
    newest: tuple[Row, ...]

    @property
    def done(self) -> int:
        return int(self.project["progress"]["done"])

    @property
    def total(self) -> int:
        progress = self.project["progress"]
        return sum(int(progress[state]) for state in ("waiting", "rendering", "done", "failed", "cancelled"))


def follow(farm: Farm, project: int, on_frame: Callable[[Row], None], check: Callable[[], None]) -> Iterator[View]:
    """Looks until the project has ended."""
    newest: deque[Row] = deque(maxlen=SHOWN_FRAMES)
    last = 0
    while True:
        check()
        state = farm.get(f"projects/{project}")
        while results := farm.get(f"projects/{project}/results", after=last):
            for result in results:
                on_frame(result)
            newest.extend(results)
            last = results[-1]["result"]
        yield View(state, tuple(newest))
        if state["status"] in ENDED:
            return
        time.sleep(LOOK_SECONDS)


def watch(
    farm: Farm,
    project: int,
    *,
    on_frame: Callable[[Row], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> View:
    """Show a project until it ends: live in a terminal, a line for each frame elsewhere. Returns the last view.

    `on_frame` hears of each frame that was finished; `check` is called before each look and may raise.
    """
    console = Console(stderr=True)
    with _display(console) as show:
        for view in follow(farm, project, on_frame, check):
            show(view)
    return view


@contextmanager
def _display(console: Console) -> Iterator[Callable[[View], None]]:
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda view: live.update(picture(view))


class _Lines:
    """A line for each frame, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[int] = set()

    def __call__(self, view: View) -> None:
        for frame in view.newest:
            if frame["result"] not in self._shown:
                self._shown.add(frame["result"])
                self._console.print(f"frame {frame['frame']} in {duration(frame['seconds'])} on {frame['machine']}")


def picture(view: View) -> RenderableType:
    """Bar, numbers, and the newest frames."""
    frames = Table(box=None, pad_edge=False)
    for head, side in (("frame", "right"), ("time", "right"), ("machine", "left")):
        frames.add_column(head, justify="right" if side == "right" else "left")
    for frame in view.newest:
        frames.add_row(str(frame["frame"]), duration(frame["seconds"]), str(frame["machine"]))
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(max(view.total, 1), view.done, width=BAR_WIDTH), Text(_numbers(view)))
    return Group(line, frames)


def _numbers(view: View) -> str:
    progress = view.project["progress"]
    parts = [f"{view.done}/{view.total} frames", f"{progress['rendering']} rendering"]
    if progress["failed"]:
        parts.append(f"{progress['failed']} failed")
    if progress["seconds_left"]:
        parts.append(f"{duration(progress['seconds_left'])} left")
    return " · ".join([str(view.project["status"]), *parts])
