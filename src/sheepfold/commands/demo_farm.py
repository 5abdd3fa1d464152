"""The farm of the demo: a data folder, a server and one client, each a process of its own with a log."""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from rich.console import Console

from sheepfold.commands.blender import LocalBlender, find_blender, make_scene
from sheepfold.commands.errors import CommandError
from sheepfold.commands.farm import Farm
from sheepfold.commands.local import open_farm
from sheepfold.environment.parent import SUPERVISED
from sheepfold.server.core.local_access import LocalAccess, read_local_access

LOGIN = "demo"
USUAL_PORT = 8080
START_SECONDS = 60.0
END_SECONDS = 15.0
LOG_TAIL = 12  # lines shown when a process fails

console = Console(stderr=True)


@dataclass(frozen=True)
class Child:
    """A process of the demo and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise CommandError with the end of the log if it has ended."""
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
            raise CommandError("\n".join([f"the {self.name} has ended; its log is {self.log}:", *lines]))


@dataclass(frozen=True)
class DemoFarm:
    """What the demo works with."""

    http: Farm
    login: str
    password: str
    scene: Path
    data_dir: Path
    children: tuple[Child, ...]

    def check(self) -> None:
        """Raise CommandError if a process of the farm has ended."""
        for child in self.children:
            child.check()

    @property
    def server_log(self) -> Path:
        return self.data_dir / "server.log"

    @property
    def client_log(self) -> Path:
        return self.data_dir / "client.log"


@contextmanager
def run_demo_farm(demo: Path, port: int | None) -> Iterator[DemoFarm]:
    """A farm that renders on this machine; all of it ends with the body."""
    data_dir = demo / "farm"
    with _alone(demo), ExitStack() as children:
        _clear(demo)
        blender = find_blender(demo)
        with console.status("making the scene"):
            scene = make_scene(blender, demo / "scene.py", data_dir)
        password = _set_up(data_dir, blender)
        server = children.enter_context(_server(data_dir, port))
        access = _await_server(server, data_dir)
        client = children.enter_context(_client(access.url, data_dir))
        http = Farm(access.url, access.token)
        yield DemoFarm(http, LOGIN, password, scene, data_dir, (server, client))


def _set_up(data_dir: Path, blender: LocalBlender) -> str:
    """A person, the key of this machine, and its Blender. Returns the password."""
    password = secrets.token_urlsafe(9)
    with open_farm(data_dir), console.status("making the farm"):
        from sheepfold.server.accounts.actions import create_render_key, create_user
        from sheepfold.server.renderers.actions import add_renderer

        user = create_user(username=LOGIN, password=password, admin=True)
        _, key = create_render_key(user=user, name="this machine")
        add_renderer(path=blender.program)
    path = data_dir / "key"
    path.touch(mode=0o600)
    path.write_text(f"{key}\n")
    return password


@contextmanager
def _server(data_dir: Path, port: int | None) -> Iterator[Child]:
    wanted = _usual_port() if port is None else port
    arguments = ["serve", "--host", "127.0.0.1", "--port", str(wanted), "--data-dir", str(data_dir)]
    with _child("server", arguments, data_dir / "server.log") as child:
        yield child


@contextmanager
def _client(url: str, data_dir: Path) -> Iterator[Child]:
    arguments = ["client", "--server", url, "--login", LOGIN, "--key", str(data_dir / "key")]
    arguments += ["--cache-dir", str(data_dir / "client"), "--ui", "json", "--cage", _cage()]
    with _child("client", arguments, data_dir / "client.log") as child:
        yield child


def _cage() -> str:
    """The best cage; without any the demo still runs, since its scene is Sheepfold's own."""
    from sheepfold.client.config import CageChoice
    from sheepfold.client.sandbox import NoCageError, choose_cage

    try:
        choose_cage(CageChoice.AUTO)
    except NoCageError:
        return CageChoice.NONE.value
    return CageChoice.AUTO.value


@contextmanager
def _child(name: str, arguments: list[str], log: Path) -> Iterator[Child]:
    command = [sys.executable, "-m", "sheepfold", SUPERVISED, *arguments]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SHEEPFOLD_")}
    with log.open("wb") as output:
        process = _start(command, inherited, output)
    try:
        yield Child(name, process, log)
    finally:
        _end(process)


def _start(command: list[str], environment: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches the demo alone, which ends its processes in order
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and kill it with all that it started if it does not."""
    try:
        offspring = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        offspring = []
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in offspring:
        if one.is_running():
            one.kill()


def _await_server(server: Child, data_dir: Path) -> LocalAccess:
    until = time.monotonic() + START_SECONDS
    with console.status("starting the server"):
        while time.monotonic() < until:
            server.check()
            access = read_local_access(data_dir)
            if access is not None and Farm(access.url, access.token).answers():
                return access
            time.sleep(0.2)
    raise CommandError(f"the server does not answer; its log is {server.log}")


def _usual_port() -> int:
    """8080 if it is free, else any."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            return 0
    return USUAL_PORT


def _clear(demo: Path) -> None:
    """Each demo begins with nothing."""
    for folder in (demo / "farm", demo / "frames"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (demo / "animation.mp4").unlink(missing_ok=True)


@contextmanager
def _alone(demo: Path) -> Iterator[None]:
    with (demo / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError("a demo runs already; end it first") from error
        yield
