import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sheepfold.environment import parent
from sheepfold.server import supervisor
from sheepfold.server.supervisor import Supervised, supervise

SAYS_ITS_ID = "import os, sys; print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True); sys.stdin.read()"


def test_a_process_that_is_killed_is_started_again(tmp_path: Path) -> None:
    pipe = _pipe(tmp_path)
    with supervise([Supervised("child", [sys.executable, "-c", SAYS_ITS_ID, str(pipe)])]):
        first = int(pipe.read_text())
        os.kill(first, signal.SIGKILL)
        second = int(pipe.read_text())
    assert second != first
    assert not _runs(second)


def test_all_processes_end_with_the_body(tmp_path: Path) -> None:
    pipes = [_pipe(tmp_path, f"pipe {number}") for number in range(2)]
    children = [Supervised("child", [sys.executable, "-c", SAYS_ITS_ID, str(pipe)]) for pipe in pipes]
    with supervise(children):
        ids = [int(pipe.read_text()) for pipe in pipes]
    assert [_runs(one) for one in ids] == [False, False]


def test_nothing_starts_after_the_end_was_asked_for(tmp_path: Path) -> None:
    ending = threading.Event()
    ending.set()
    never = tmp_path / "never"
    assert not Supervised("child", [sys.executable, "-c", f"open({str(never)!r}, 'w')"]).start(ending)
    assert not never.exists()


def test_a_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    pipe = _pipe(tmp_path)
    child = (
        f"import sys; from {parent.__name__} import end_with_parent; end_with_parent();"
        "out = open(sys.argv[1], 'w'); print('up', file=out, flush=True); import signal; signal.pause()"
    )
    starter = (
        f"import sys, signal; from {supervisor.__name__} import Supervised, supervise\n"
        f"with supervise([Supervised('c', [sys.executable, '-c', {child!r}, sys.argv[1]])]): signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", starter, str(pipe)]) as process, pipe.open() as end:
        assert end.readline() == "up\n"
        process.kill()
        assert end.read() == ""  # the child held the pipe open until it ended


def _pipe(folder: Path, name: str = "pipe") -> Path:
    """Reading it waits for a child to write, so nothing here sleeps."""
    os.mkfifo(folder / name)
    return folder / name


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
