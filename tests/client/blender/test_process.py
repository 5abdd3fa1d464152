"""Process trees: read always, watched, killed as a whole."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from sheepfold.client.blender.process import Log, ProcessTree, RenderStoppedError
from sheepfold.client.task import RenderLimits, StopFlag
from sheepfold.protocol.codes import ErrorKind


def start(code: str, folder: Path) -> ProcessTree:
    return ProcessTree([sys.executable, "-c", code], dict(os.environ), folder)


def test_chatty_program_is_never_held_up(tmp_path: Path) -> None:
    tree = start("for i in range(100_000): print(i, 'x' * 40)", tmp_path)
    count = sum(1 for _ in tree.lines(RenderLimits(), StopFlag()))
    assert count == 100_000
    assert tree.wait() == 0


def test_log_keeps_beginning_and_end() -> None:
    log = Log()
    for number in range(10_000):
        log.add(f"line {number}")
    lines = log.text().splitlines()
    assert (lines[0], lines[399], lines[-1]) == ("line 0", "line 399", "line 9999")
    assert lines[400] == "[5600 lines left out]"
    assert len(lines) == 4401


def test_short_log_is_whole() -> None:
    log = Log()
    log.add("one")
    log.add("two")
    assert log.text() == "one\ntwo"


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    tree = start(r"import sys; sys.stdout.buffer.write(b'\xff\xfe\nlast')", tmp_path)
    assert list(tree.lines(RenderLimits(), StopFlag())) == ["\ufffd\ufffd", "last"]
    tree.wait()


def test_lines_are_whole_however_they_come(tmp_path: Path) -> None:
    code = """
import sys
for piece in (b"fir", b"st\\r\\nsecond\\n\\nth", b"ird"):
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    sys.stdin.readline()
"""
    tree = start(code, tmp_path)
    for _ in range(3):
        tree.send("on")
    assert list(tree.lines(RenderLimits(), StopFlag())) == ["first", "second", "", "third"]
    tree.wait()


def test_line_without_end_is_cut(tmp_path: Path) -> None:
    tree = start("print('x' * 1_000_000)", tmp_path)
    lines = list(tree.lines(RenderLimits(), StopFlag()))
    assert "".join(lines) == "x" * 1_000_000
    assert max(map(len, lines)) <= 2 * 64 * 1024
    tree.wait()


def test_kill_takes_grandchildren_along(tmp_path: Path) -> None:
    grandchild = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    tree = start(code, tmp_path)
    pid = int(next(tree.lines(RenderLimits(), StopFlag())))
    assert psutil.Process(pid).name() == "sleep"
    tree.kill()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert not tree.running


@pytest.mark.parametrize("kind", [ErrorKind.KILLED, ErrorKind.KILLED_BY_SERVER, ErrorKind.BLOCKED_BY_USER])
def test_stop_ends_with_its_reason_and_the_first_one_stays(kind: ErrorKind, tmp_path: Path) -> None:
    tree = start("import time; print('on', flush=True); time.sleep(600)", tmp_path)
    stop = StopFlag()
    lines = tree.lines(RenderLimits(), stop)
    assert next(lines) == "on"
    stop.set(kind)
    stop.set(ErrorKind.UNKNOWN)
    with pytest.raises(RenderStoppedError) as caught:
        next(lines)
    assert caught.value.kind is kind
    tree.kill()


def test_working_program_is_not_taken_for_hung(tmp_path: Path) -> None:
    code = "import time\nend = time.process_time() + 3\nwhile time.process_time() < end: pass\nprint('done')"
    tree = start(code, tmp_path)
    assert list(tree.lines(RenderLimits(silent_seconds=2), StopFlag())) == ["done"]
    tree.wait()


def test_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ProcessTree([str(tmp_path / "none")], {}, tmp_path)
