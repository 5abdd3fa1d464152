"""Life and readiness of a real web process: when parts of the farm are away, and while it ends."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from sheepfold.server.http import open_socket
from tests.conftest import EmptyFarm
from tests.e2e.running import wait_until

pytestmark = pytest.mark.database


@contextmanager
def web(settings: dict[str, str], log: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The URL of one web process, once it answers."""
    with open_socket("127.0.0.1", 0) as listening, log.open("wb") as out:
        number = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "sheepfold", "web", "--fd", str(number)],
            env=os.environ | settings,
            pass_fds=[number],
            stdout=out,
            stderr=out,
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        assert httpx2.get(f"{url}/healthz", timeout=60).text == "alive\n"
        yield url, process
    finally:
        process.kill()
        process.wait()


def ready(url: str) -> tuple[int, str]:
    answer = httpx2.get(f"{url}/readyz", timeout=30)
    return answer.status_code, answer.text


def test_a_process_with_everything_at_hand_is_ready(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    with web(empty_farm.settings, tmp_path / "log") as (url, _):
        assert ready(url) == (200, "ready\n")


def test_a_database_of_an_older_version_is_not_served(tmp_path: Path) -> None:
    with web({"SHEEPFOLD_DATA_DIR": str(tmp_path), "SHEEPFOLD_DATABASE_URL": ""}, tmp_path / "log") as (url, _):
        assert ready(url) == (503, "the database lacks this version's migrations; run `sheepfold migrate`\n")
        assert httpx2.get(f"{url}/healthz").status_code == 200


def test_what_is_away_is_named_and_no_more_said(tmp_path: Path) -> None:
    settings = {
        "SHEEPFOLD_DATA_DIR": str(tmp_path / "farm"),
        "SHEEPFOLD_DATABASE_URL": "postgresql://sheepfold:wool-in-the-url@127.0.0.1:1/sheepfold",
    }
    with web(settings, tmp_path / "log") as (url, _):
        shutil.rmtree(tmp_path / "farm")
        assert ready(url) == (503, "the database does not answer\nthe store does not answer\n")
    assert b"wool-in-the-url" not in (tmp_path / "log").read_bytes()


def test_a_process_that_ends_says_so_and_answers_until_its_time_is_over(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    settings = empty_farm.settings | {"SHEEPFOLD_DRAIN_SECONDS": "3"}
    with web(settings, tmp_path / "log") as (url, process):
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: ready(url) == (503, "the process is ending\n"), "it drains")
        assert httpx2.get(f"{url}/server/keepmealive.php").status_code == 200
        assert process.wait(60) == 0
        with pytest.raises(httpx2.TransportError):
            ready(url)
