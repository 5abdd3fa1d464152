"""The command `sheepfold` as people run it, and a farm that runs in processes of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import EmptyFarm


@dataclass(frozen=True)
class Terminal:
    """Runs `sheepfold` with the settings of one farm."""

    farm: EmptyFarm

    @property
    def data_dir(self) -> Path:
        return self.farm.data_dir

    def start(self, *arguments: str, errors: IO[str] | None = None) -> subprocess.Popen[str]:
        """`errors`: a file for standard error; without it a pipe, which must be read."""
        return subprocess.Popen(
            [sys.executable, "-m", "sheepfold", *arguments],
            env=os.environ | self.farm.settings | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors or subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Status, output and errors."""
        process = self.start(*arguments)
        output, errors = process.communicate()
        return process.returncode, output, errors

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        status, output, errors = self.run(*arguments, "--json")
        assert (status, errors) == (0, "")
        return json.loads(output)


@pytest.fixture
def terminal(empty_farm: EmptyFarm) -> Terminal:
    return Terminal(empty_farm)


@dataclass(frozen=True)
class Serving:
    """A running `sheepfold serve` and what it printed first."""

    process: subprocess.Popen[str]
    url: str
    greeting: tuple[str, ...]


@pytest.fixture
def serving(terminal: Terminal) -> Iterator[Serving]:
    with start_serving(terminal) as running:
        yield running


@contextmanager
def start_serving(terminal: Terminal) -> Iterator[Serving]:
    """`sheepfold serve` on a free port, until the end of the body."""
    log = terminal.data_dir.with_name("serve.log")
    with log.open("w") as errors:
        process = terminal.start("serve", "--host", "127.0.0.1", "--port", "0", errors=errors)
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "Ctrl-C ends it.\n":
        lines.append(process.stdout.readline())
        assert lines[-1], log.read_text()
    yield Serving(process, lines[0].split()[-1], tuple(lines))
    process.terminate()
    process.wait()
    process.stdout.close()
