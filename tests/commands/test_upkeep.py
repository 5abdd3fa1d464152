"""`sheepfold verify` and `sheepfold gc` on a farm whose store was tampered with."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.commands.conftest import Terminal
from tests.e2e.running import run_python

pytestmark = pytest.mark.database

TWO_DAYS = 2 * 24 * 3600
KEEP = """
import sys, django
django.setup()
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.renderers.models import Renderer, RendererArchive
renderer = Renderer.objects.create(version="4.2.0")
for bits, name in enumerate(sys.argv[1:]):
    blob = record_blob(ref=store().keep_bytes(name.encode(), "text/plain"))
    RendererArchive.objects.create(renderer=renderer, os="linux", bits=bits, blob=blob, source="test")
"""


def test_a_sound_farm_is_verified(terminal: Terminal) -> None:
    _keep(terminal, "wool", "grass")
    answer = (0, "named files: 2, unnamed: 0 (these go after a day)\n", "")
    assert terminal.run("verify") == answer
    assert terminal.run("verify", "--read") == answer


def test_a_lost_file_is_named_and_fails(terminal: Terminal) -> None:
    _keep(terminal, "wool", "grass")
    _file(terminal, "wool").unlink()
    assert terminal.run("verify") == (
        1,
        f"{_name('wool')}: its bytes are missing\nnamed files: 2, unnamed: 0 (these go after a day)\n",
        "sheepfold: lost files: 1; restore them from a backup of the store\n",
    )


def test_a_lost_renderer_cannot_be_rendered_again(terminal: Terminal) -> None:
    _keep(terminal, "wool")
    _file(terminal, "wool").unlink()
    status, output, _ = terminal.run("verify", "--repair")
    assert (status, output.splitlines()[-1]) == (1, "rendered again: 0")


def test_a_changed_file_is_found_by_reading(terminal: Terminal) -> None:
    _keep(terminal, "wool", "grass")
    _file(terminal, "wool").write_bytes(b"cool")
    assert terminal.run("verify")[0] == 0
    status, output, _ = terminal.run("verify", "--read")
    assert (status, output.splitlines()[0]) == (1, f"{_name('wool')}: its bytes are not what they were")


def test_only_what_nothing_names_for_a_day_is_deleted(terminal: Terminal) -> None:
    _keep(terminal, "wool")
    old, young = _stray(terminal, "old"), _stray(terminal, "young")
    temporary = terminal.data_dir / "tmp" / "upload-1.png"
    temporary.parent.mkdir(exist_ok=True)
    temporary.write_bytes(b"half a frame")
    for path in (old, temporary, _file(terminal, "wool")):
        _age(path)

    assert terminal.run("gc") == (0, "deleted: 1 stored, 1 temporary\n", "")

    assert [path.exists() for path in (old, young, temporary, _file(terminal, "wool"))] == [False, True, False, True]
    assert terminal.run("verify") == (0, "named files: 1, unnamed: 1 (these go after a day)\n", "")


def _keep(terminal: Terminal, *contents: str) -> None:
    """Files that a renderer names."""
    run_python(terminal.farm, "-c", KEEP, *contents)


def _stray(terminal: Terminal, content: str) -> Path:
    """A file in the store that no row names, as a killed process leaves it."""
    path = _file(terminal, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _age(path: Path) -> None:
    os.utime(path, times=(time.time() - TWO_DAYS,) * 2)


def _name(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _file(terminal: Terminal, content: str) -> Path:
    return terminal.data_dir / "blobs" / _name(content)[:2] / _name(content)[2:]
