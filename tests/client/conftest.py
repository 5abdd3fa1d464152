"""What the tests of the client share: a plain farm, renderers that are packed like real ones, settings."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

from packing import zip_of
from running import Run
from seed_server import SeedJob

from sheepfold.client.config import Settings, write_key

BLENDER_LAUNCHER = b'#!/bin/sh\nexec blender "$@"\n'


@pytest.fixture(scope="session")
def script_renderer() -> bytes:
    """A renderer archive whose `rend.exe` is a script that obeys the scene file, see `fake_renderer.py`."""
    script = (Path(__file__).parent / "fake_renderer.py").read_bytes()
    return zip_of({"rend.exe": f"#!{sys.executable} -I\n".encode() + script})


@pytest.fixture(scope="session")
def blender_renderer() -> bytes:
    """A renderer archive that starts this machine's Blender."""
    return zip_of({"rend.exe": BLENDER_LAUNCHER})


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings with a key file and a cache folder of this test's own."""
    key = tmp_path / "key"
    write_key(key, "secret")

    def make(server: str, **changes: object) -> Settings:
        defaults: dict[str, object] = {
            "server": server,
            "login": "anna",
            "key_file": key,
            "cache_dir": tmp_path / "cache",
            "cage": "none",
            "living": False,
        }
        return Settings(**(defaults | changes))

    return make


@pytest.fixture(scope="session")
def blender_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked renderer archive that starts this machine's Blender."""
    folder = tmp_path_factory.mktemp("blender")
    launcher = folder / "rend.exe"
    launcher.write_bytes(BLENDER_LAUNCHER)
    launcher.chmod(0o755)
    return folder


@pytest.fixture
def start() -> Iterator[Callable[[Settings], Run]]:
    runs: list[Run] = []

    def start_one(settings: Settings) -> Run:
        runs.append(Run(settings))
        return runs[-1]

    yield start_one
    for one in runs:
        one.client.control.stop_now()
        one.end()


@pytest.fixture
def job(script_renderer: bytes) -> Callable[..., SeedJob]:
    """Makes a job whose scene tells the script in Blender's place what to do."""

    def make(frame: int = 1, **orders: object) -> SeedJob:
        scene = zip_of({"a.blend": json.dumps(orders).encode()})
        return SeedJob(42, frame, "a.blend", scene, script_renderer, extras=f"t{frame}")

    return make


@pytest.fixture(scope="session")
def plain_scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scene of one cube."""
    path = tmp_path_factory.mktemp("scene") / "plain.blend"
    script = Path(__file__).parent / "blender" / "make_scene.py"
    words = ["blender", "-b", "--factory-startup", "-P", str(script), "--", str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    return path


@pytest.fixture
def listening_port() -> Iterator[int]:
    """A port of this machine that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
