"""Commands under the live display, typed on a real terminal."""

import contextlib
import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest
from seed_server import SeedServer

from sheepfold.client.config import Settings
from sheepfold.client.keyboard import typed_lines, without_echo


@dataclass
class Terminal:
    """Its two ends: the keys that a person presses go into `person`, programs read `program`."""

    person: int
    program: TextIO

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.program.fileno())[3] & termios.ECHO)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    person, program = pty.openpty()
    with os.fdopen(program) as stream:
        yield Terminal(person, stream)
    os.close(person)


def test_keys_become_lines_and_are_shown_one_by_one(terminal: Terminal) -> None:
    shown: list[str] = []
    with without_echo(terminal.program):
        lines = typed_lines(terminal.program, shown.append)
        os.write(terminal.person, b"pauze\x7f\x7fse\nre")
        assert next(lines) == "pause"
        os.write(terminal.person, b"sume\n")
        assert next(lines) == "resume"
        os.write(terminal.person, b"\n")
        assert next(lines) == ""
    assert "re" in shown


def test_keys_without_a_letter_are_left_out(terminal: Terminal) -> None:
    with without_echo(terminal.program):
        lines = typed_lines(terminal.program, lambda text: os.write(terminal.person, b"stop\n"))
        os.write(terminal.person, b"\x1b[A")
        assert next(lines) == "stop"


def test_terminal_is_afterwards_as_it_was(terminal: Terminal) -> None:
    assert terminal.echoes()
    with without_echo(terminal.program):
        assert not terminal.echoes()
    assert terminal.echoes()


# A program whose own terminal this is, as under a shell; only then may it read commands from there.
AT_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "sheepfold", *sys.argv[1:]])
"""


def test_client_obeys_what_is_typed_and_leaves_the_terminal_as_it_was(
    terminal: Terminal, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with SeedServer() as farm:
        made = settings(farm.url)
        words = ["--server", farm.url, "--login", "anna", "--key", str(made.key_file), "--cage", "none"]
        words += ["--cache-dir", str(made.cache_dir)]
        end = terminal.program.fileno()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", "XDG_CONFIG_HOME": str(tmp_path)}
        client = subprocess.Popen(
            [sys.executable, "-c", AT_THE_TERMINAL, "client", *words],
            stdin=end,
            stdout=end,
            stderr=end,
            env=environment,
            start_new_session=True,
        )
        seen = Seen(terminal.person)
        farm.wait_for("work")
        seen.wait_for(b"> pause, resume, stop, quit, help")
        os.write(terminal.person, b"quit\n")
        assert client.wait(60) == 0
    assert terminal.echoes()


class Seen:
    """All that a terminal shows."""

    def __init__(self, person: int) -> None:
        self.bytes = b""
        self._grown = threading.Condition()
        threading.Thread(target=self._read, args=(person,), daemon=True).start()

    def wait_for(self, words: bytes) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: words in self.bytes, timeout=60), self.bytes

    def _read(self, person: int) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(person, 4096):
                with self._grown:
                    self.bytes += data
                    self._grown.notify_all()
