"""A farm and its clients in processes of their own, which can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import EmptyFarm

HERE = Path(__file__).parent

PATIENCE = 60.0  # seconds in which anything here must happen


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


def run_python(farm: EmptyFarm, *arguments: str | Path, settings: Mapping[str, str] = {}) -> str:
    """What a Python program with the settings of the farm prints."""
    environment = os.environ | farm.settings | {"DJANGO_SETTINGS_MODULE": "sheepfold.server.settings", **settings}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def fill_with_stand_in(farm: EmptyFarm, folder: Path, scene: Mapping[str, object], tiles: int) -> str:
    """A started project that `stand_in.py` renders as the scene tells it to, and the key of a machine."""
    executable, scene_file = folder / "rend.exe", folder / "scene.blend"
    executable.write_bytes(f"#!{sys.executable} -I\n".encode() + (HERE / "stand_in.py").read_bytes())
    scene_file.write_text(json.dumps(scene))
    return run_python(farm, HERE / "fill_farm.py", executable, scene_file, str(tiles))


def _words_of(process: psutil.Process) -> list[str]:
    """Its command line; nothing of one that was just killed."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@dataclass
class FarmProcess:
    """`sheepfold serve` with all its children. `log` gets what they print."""

    farm: EmptyFarm
    log: Path
    settings: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    url: str = ""
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> str:
        """Serve, at the same address as before; returns the address when it is taken."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "sheepfold", "serve", "--host", self.host, "--port", port]
        said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            environment = os.environ | self.farm.settings | self.settings
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: b"Ctrl-C ends it." in self.log.read_bytes()[said:], f"the farm starts, see {self.log}")
        greeting = self.log.read_text()[said:].splitlines()
        self.url = next(line.split()[-1] for line in greeting if line.startswith("Sheepfold is at "))
        return self.url

    def kill(self) -> None:
        """`kill -9` of every process at once, as a power cut does it."""
        assert self._process is not None
        family = self.family()
        for process in family:
            process.send_signal(signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(family)

    def family(self) -> list[psutil.Process]:
        """All its processes."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill_child(self, name: str) -> None:
        """`kill -9` of the process `web` or `background`; its parent starts it again."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children()
        child = next(one for one in family if name in _words_of(one))
        child.kill()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, f"{name} dies")

    def stop(self) -> None:
        """End politely."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()


@dataclass
class ClientProcess:
    """`sheepfold client` with a folder of its own, which stays from run to run."""

    farm: FarmProcess
    folder: Path
    key: str
    living: bool = False  # one Blender from frame to frame, in its cage, as by default
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Log in and render."""
        self.folder.mkdir(exist_ok=True)
        key = self.folder / "key"
        key.write_text(self.key)
        key.chmod(0o600)
        words = ["--server", self.farm.url, "--login", "ada", "--key", str(key)]
        words += ["--cache-dir", str(self.folder / "cache"), "--ui", "json"]
        words += [] if self.living else ["--cage", "none", "--no-living"]
        command = [sys.executable, "-m", "sheepfold", "client", *words]
        environment = os.environ | {"XDG_CONFIG_HOME": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def family(self) -> list[psutil.Process]:
        """The client and what it runs."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]
