"""Words that the owner types while the client runs, one command a line."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from sheepfold.client.control import Control
from sheepfold.client.events import Event, Level, Listener, Message, Stopping
from sheepfold.client.keyboard import typed_lines
from sheepfold.client.status import DeviceStatus, Status, duration, update

_HELP = (
    "commands: status, priority N (0 to 19, from the next frame on), block (never this project), pause, resume, "
    "stop (after this frame), cancel (do not stop), quit (now)"
)


@dataclass(frozen=True, slots=True)
class Commands:
    """What each word does. Answers go to `listener`."""

    control: Control
    block_projects: Callable[[], None]
    status: Callable[[], Status]
    listener: Listener

    def obey(self, line: str) -> None:
        """Carry one line out. An unknown one prints the list."""
        word, _, rest = line.strip().lower().partition(" ")
        actions = {
            "status": self._status,
            "priority": lambda: self._priority(rest.strip()),
            "block": self._block,
            "pause": self._pause,
            "resume": self._resume,
            "stop": self._stop,
            "cancel": self._resume,
            "quit": self._quit,
        }
        if word:
            actions.get(word, lambda: self._say(_HELP))()

    def _status(self) -> None:
        self._say(status_words(self.status()))

    def _priority(self, number: str) -> None:
        if not number.isdigit() or int(number) > 19:
            self._say("priority takes a number from 0 (normal) to 19 (most polite)")
            return
        self.control.priority = int(number)
        self._say(f"priority {number} from the next frame on")

    def _block(self) -> None:
        self.block_projects()
        self._say("the farm is told not to send this project again")

    def _pause(self) -> None:
        self.control.pause()
        self._say("no new frame after this one; `resume` goes on")

    def _resume(self) -> None:
        self.control.resume()
        self._say(
            "the farm's site says otherwise: resume this machine there" if self.control.held_by_site else "going on"
        )

    def _stop(self) -> None:
        self.control.stop_after_frame()
        self.listener(Stopping(now=False))

    def _quit(self) -> None:
        self.control.stop_now()
        self.listener(Stopping(now=True))

    def _say(self, text: str) -> None:
        self.listener(Message(Level.INFO, text))


class StatusKeeper:
    """A listener that always knows the latest status."""

    def __init__(self) -> None:
        self._status, self._lock = Status(), threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._status = update(self._status, event)

    def read(self) -> Status:
        return self._status


def status_words(status: Status) -> str:
    """One line for all devices."""
    devices = [f"{name}: {_device_words(device)}" for name, device in status.devices.items()]
    return "; ".join([*devices, f"frames delivered: {status.accepted}"])


def _device_words(device: DeviceStatus) -> str:
    percent = "" if device.fraction is None else f", {device.fraction:.0%}"
    left = "" if device.remaining is None else f", {duration(device.remaining)} left"
    return f"{device.doing}{percent}{left}"


def may_listen(stream: TextIO) -> bool:
    """Whether commands can be read: a client in the background of a terminal would be stopped by reading."""
    if not stream.isatty() or os.name != "posix":
        return True
    return os.tcgetpgrp(stream.fileno()) == os.getpgrp()


def listen(commands: Commands, stream: TextIO | None = None, show: Callable[[str], None] | None = None) -> None:
    """Read commands in a thread of its own until the input ends.

    `show`: where the terminal does not show what is typed (`keyboard.without_echo`), this does.
    """
    source = stream or sys.stdin
    if source is None or source.closed or not may_listen(source):
        return

    def read() -> None:
        for line in source if show is None else typed_lines(source, show):
            commands.obey(line)

    threading.Thread(target=read, name="commands", daemon=True).start()
