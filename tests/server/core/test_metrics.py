"""Processes that count together, each for real and one of them killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sheepfold.server.core import metrics
from sheepfold.server.core.metrics import GaugeFact, shared_metrics, written_gauges

COUNT = """
import os, signal, sys
from prometheus_client import Counter, Histogram
Counter("lambs", "Born.").inc(int(sys.argv[1]))
Histogram("wool", "Shorn.", buckets=(1, 5)).observe(int(sys.argv[1]))
if sys.argv[2] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITE = "import sys; from sheepfold.server.core.metrics import written_metrics; print(written_metrics().decode())"


def test_processes_count_together_and_one_that_is_killed_keeps_its_part() -> None:
    with shared_metrics():
        assert run(COUNT, "3", "die") == (-signal.SIGKILL, "")
        assert run(COUNT, "4", "live") == (0, "")
        written = run(WRITE)[1].splitlines()
    assert "lambs_total 7.0" in written
    assert 'wool_bucket{le="1.0"} 0.0' in written
    assert 'wool_bucket{le="5.0"} 2.0' in written
    assert "wool_sum 7.0" in written


def test_nothing_of_it_stays(tmp_path: Path) -> None:
    with shared_metrics():
        folder = Path(run("import os; print(os.environ['PROMETHEUS_MULTIPROC_DIR'])")[1].strip())
        assert folder.is_dir()
    assert not folder.exists()


def test_only_what_a_killed_process_left_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MEMORY", tmp_path)
    abandoned, fresh, other = (tmp_path / name for name in ("sheepfold-metrics-a", "sheepfold-metrics-b", "other"))
    for folder in (abandoned, fresh, other):
        folder.mkdir()
        (folder / "counter_1.db").write_bytes(b"")
    for folder in (abandoned, other):
        os.utime(folder, (1, 1))
    with shared_metrics():
        mine = Path(os.environ[metrics.SHARED])
        os.utime(mine, (1, 1))
        with shared_metrics():
            assert mine.is_dir()
            assert set(tmp_path.iterdir()) == {mine, Path(os.environ[metrics.SHARED]), fresh, other}
        os.environ[metrics.SHARED] = str(mine)
    assert set(tmp_path.iterdir()) == {fresh, other}


def test_numbers_that_are_known_are_written_as_gauges() -> None:
    facts = [GaugeFact("sheep", "In the fold.", 12), GaugeFact("dogs", "Around it.", 2)]
    assert written_gauges(facts).decode().splitlines() == [
        "# HELP sheep In the fold.",
        "# TYPE sheep gauge",
        "sheep 12.0",
        "# HELP dogs Around it.",
        "# TYPE dogs gauge",
        "dogs 2.0",
    ]


def run(program: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout
