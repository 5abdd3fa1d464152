"""PostgreSQL and an S3 server that may be killed and come back, and single processes of a farm."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sheepfold.environment.postgres import PostgresServer
from sheepfold.environment.seaweed import BUCKET, KEY_ID, SECRET, S3Server
from tests.conftest import EmptyFarm
from tests.e2e.running import wait_until

# A process that is killed loses nothing that it gave to the system; only a power cut would.
NO_WAITING_FOR_THE_DISK = ("fsync=off",)


@dataclass(frozen=True)
class BucketFarm(EmptyFarm):
    """A farm whose blobs are in a bucket."""

    endpoint: str

    @property
    def settings(self) -> dict[str, str]:
        """Its environment variables."""
        return super().settings | {
            "SHEEPFOLD_STORAGE_URL": f"s3://{BUCKET}/blobs",
            "SHEEPFOLD_STORAGE_ENDPOINT": self.endpoint,
            "SHEEPFOLD_STORAGE_KEY_ID": KEY_ID,
            "SHEEPFOLD_STORAGE_SECRET": SECRET,
        }


@dataclass(frozen=True)
class Engines:
    """Both, and the migrated farm that they carry."""

    postgres: PostgresServer
    s3: S3Server
    farm: EmptyFarm

    def kill_postgres(self) -> None:
        """`kill -9` of all its processes; it is started again at once."""
        parent = psutil.Process(self.postgres.process_id())
        family = [parent, *parent.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(_lives(one) for one in family), "PostgreSQL is dead")
        # In a container without an init its zombie stays, and PostgreSQL would take that for a server.
        for lock in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.postgres.folder / lock).unlink()
        self.postgres.start()

    def kill_s3(self) -> None:
        """`kill -9`; it is started again at once."""
        self.s3.kill()
        self.s3.start()


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@contextmanager
def engines(folder: Path) -> Iterator[Engines]:
    """Running, with an empty farm of today's tables."""
    database = Path(tempfile.mkdtemp(prefix="sheepfold-postgres-"))  # short: the path of a socket has a limit
    postgres, s3 = PostgresServer(database, NO_WAITING_FOR_THE_DISK), S3Server(folder / "s3")
    s3.folder.mkdir()
    try:
        postgres.create()
        postgres.start()
        postgres.make_database()
        s3.start()
        farm = BucketFarm(folder / "farm", postgres.url, s3.endpoint)
        subprocess.run([sys.executable, "-m", "sheepfold", "migrate"], env=os.environ | farm.settings, check=True)
        yield Engines(postgres, s3, farm)
    finally:
        s3.kill()
        postgres.stop()
        shutil.rmtree(database)


@dataclass
class Server:
    """One `sheepfold web` or `sheepfold background`. `settings`: what differs from the farm's."""

    farm: EmptyFarm
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Server":
        """Returns when it listens; a background process at once."""
        words = [self.name]
        if self.name == "web":
            self.port = self.port or _free_port()
            words += ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [sys.executable, "-m", "sheepfold", *words]
        environment = os.environ | self.farm.settings | self.settings
        with (self.farm.data_dir.parent / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if self.port:
            wait_until(self._listens, f"{self.name} listens")
        return self

    def stop(self) -> None:
        """End it politely."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
