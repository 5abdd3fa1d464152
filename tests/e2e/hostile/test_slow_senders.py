"""A thousand clients that send a byte now and then, at a farm that goes on working: nobody waits for them."""

import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from sheepfold.protocol.codes import UploadStatus
from tests.conftest import EmptyFarm
from tests.e2e.running import run_python, wait_until
from tests.server.conftest import Server
from tests.server.node_api.machine import Machine, png

SLOW = 1000
PACE = 0.1  # seconds between two bytes of each
SECONDS = 4  # that this farm gives a head or a piece of a body, instead of 20 and 30

SERVER = f"""
import django
django.setup()
from sheepfold.server import http
from sheepfold.server.core.logs import configure_logs
from sheepfold.server.run import raise_file_limit
http.HEAD_SECONDS = http.BODY_SECONDS = {SECONDS}
configure_logs()
raise_file_limit()
listening = http.open_socket("127.0.0.1", 0)
print(listening.getsockname()[1], flush=True)
http.answer_requests(listening)
"""
POST = b"POST /server/%s.php HTTP/1.1\r\nHost: f\r\nContent-Type: %s\r\n"
FORM = POST % (b"config", b"application/x-www-form-urlencoded") + b"Content-Length: 2000\r\n\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
UPLOAD = POST % (
    b"send_frame",
    b"multipart/form-data; boundary=b",
) + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(PART), PART)
PAGE = b"POST /accounts/login/ HTTP/1.1\r\nHost: f\r\nContent-Length: 2000\r\n\r\n"
SCENE = b"PATCH /upload/%s/ HTTP/1.1\r\nHost: f\r\nContent-Length: 2000\r\n\r\n" % (b"0" * 32)
BEGINNINGS = (b"", b"GET /server/config.php?login=", FORM, UPLOAD, PAGE, SCENE)
DRIBBLE = {UPLOAD: b"1\r\na\r\n"}


@dataclass
class Crowd:
    """Slow senders, each with how it began and what it was told."""

    server: Server
    open: dict[socket.socket, bytes] = field(default_factory=dict)
    told: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)
    rounds: int = 0

    def gather(self) -> None:
        """All connect, and send all but the end."""
        for number in range(SLOW):
            beginning = BEGINNINGS[number % len(BEGINNINGS)]
            connection = socket.create_connection((self.server.host, self.server.port))
            connection.sendall(beginning)
            self.open[connection] = beginning

    def dribble(self) -> None:
        """A byte from each, again and again, until the farm has ended the last of them."""
        with selectors.DefaultSelector() as selector:
            for connection in self.open:
                selector.register(connection, selectors.EVENT_READ)
            while self.open:
                for key, _ in selector.select(PACE):
                    self._hear(selector, key.fileobj)  # type: ignore[arg-type]
                for connection, beginning in self.open.items():
                    self._send(connection, DRIBBLE.get(beginning, b"a" if beginning else b""))
                self.rounds += 1

    def _hear(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        try:
            answer = connection.recv(4096)
        except ConnectionError:
            answer = b""
        selector.unregister(connection)
        connection.close()
        self.told[self.open.pop(connection), answer[9:12]] += 1

    def _send(self, connection: socket.socket, piece: bytes) -> None:
        try:
            connection.send(piece)
        except ConnectionError:
            return  # ended meanwhile; the selector says so in the next round


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_slow_senders_hold_up_nobody(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    key = run_python(empty_farm, Path(__file__).with_name("fill.py"), "400")
    environment = os.environ | empty_farm.settings
    command = [sys.executable, "-c", SERVER]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        server = Server("127.0.0.1", int(process.stdout.readline()))
        honest = Machine(server, login="ada l", password=key)
        work(honest)
        before = psutil.Process(process.pid).num_fds()
        crowd = Crowd(server)
        crowd.gather()
        slow = threading.Thread(target=crowd.dribble)
        slow.start()
        frames = 0
        while slow.is_alive():
            work(honest)
            frames += 1
        slow.join()
        wait_until(lambda: psutil.Process(process.pid).num_fds() <= before, "every connection is closed")
        work(honest)
        process.terminate()

    assert frames > 0
    assert crowd.told.total() == SLOW
    assert {status for _, status in crowd.told} == {b"400"}
    assert list((empty_farm.data_dir / "tmp").iterdir()) == []
    assert "Traceback" not in (tmp_path / "log").read_text()


def work(machine: Machine) -> None:
    """A whole honest round: log in, get a tile, deliver it."""
    machine.config()
    assert machine.upload(machine.job(), png()) == UploadStatus.OK
