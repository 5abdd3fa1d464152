"""What the tests of the client share: a plain farm, renderers that are packed like real ones, settings."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

from packing import zip_of

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
