"""What `./sheepfold check` looks at holds for every commit."""

import json
import runpy
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools"
CHECKS = runpy.run_path(str(TOOLS / "checks.py"))


@pytest.mark.parametrize("name", [name for name, _ in CHECKS["CHECKS"]])
def test_check(name: str) -> None:
    command = dict(CHECKS["CHECKS"])[name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_of_the_pages_lead_somewhere() -> None:
    assert runpy.run_path(str(TOOLS / "links.py"))["broken_links"](ROOT) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One two\n[good](#one-two) [bad](b.md) [bad](#three) ![bad](c.png)\n")
    assert runpy.run_path(str(TOOLS / "links.py"))["broken_links"](tmp_path) == [
        "a.md: b.md",
        "a.md: #three",
        "a.md: c.png",
    ]


def test_bandit_finds_what_no_line_excuses(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import tarfile\neval(input())\neval('1')  # noqa: S307  a constant\n")
    done = subprocess.run([sys.executable, TOOLS / "security.py", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert [line.split(": ")[0].rpartition("/")[2] for line in done.stdout.splitlines()] == ["a.py:2"]


def lock_tool(name: str) -> Any:
    """A function of tools/lock.py or of what it uses."""
    sys.path.insert(0, str(TOOLS))
    try:
        return runpy.run_path(str(TOOLS / "lock.py"))[name]
    finally:
        sys.path.remove(str(TOOLS))


GOOD_PIN = f"click==8.5.0 ; python_version < '4' \\\n    --hash=sha256:{'0' * 64}\n    # via sheepfold\n"


def test_a_lock_holds_exact_versions_with_hashes_and_nothing_else() -> None:
    read = lock_tool("read")
    pins, problems = read(GOOD_PIN)
    assert ([(pin.name, pin.version, pin.hashes) for pin in pins], problems) == ([("click", "8.5.0", 1)], [])
    for bad in ("click>=8", "click @ https://example.org/click.whl", "--index-url https://example.org", "-e ."):
        assert read(GOOD_PIN + bad)[1] == [f"requirements.lock:4: not an exact version, a SHA-256 or a note: {bad}"]
    assert read("click==8.5.0\n")[1] == ["click has no hash"]


def test_a_lock_that_lags_behind_is_found() -> None:
    pins, _ = lock_tool("read")(GOOD_PIN)
    project = {"dependencies": ["click>=9", "django"], "optional-dependencies": {"dev": ["Click"]}}
    assert list(lock_tool("unlocked")(pins, project)) == [
        "pyproject.toml asks for click>=9, the lock has 8.5.0",
        "pyproject.toml asks for django, the lock has None",
    ]


@pytest.mark.parametrize(
    ("affected", "is_hit"),
    [
        ({"versions": ["8.5.0"]}, True),
        ({"versions": ["8.4.9"]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}, True),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "8.5.0"}]}]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "8.0"}, {"fixed": "8.10"}]}]}, True),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "9.0"}]}]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "8.0"}, {"last_affected": "8.5.0"}]}]}, True),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "8.0"}, {"last_affected": "8.4"}]}]}, False),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
        ({"versions": ["8.5.0"], "package": {"name": "click", "ecosystem": "npm"}}, False),
    ],
)
def test_a_known_weakness_of_a_locked_version_is_told(
    tmp_path: Path, affected: dict[str, object], is_hit: bool
) -> None:
    record = {
        "id": "X-1",
        "summary": "bad",
        "affected": [{"package": {"name": "Click", "ecosystem": "PyPI"}, **affected}],
    }
    export = tmp_path / "all.zip"
    with zipfile.ZipFile(export, "w") as archive:
        archive.writestr("X-1.json", json.dumps(record))
        archive.writestr("X-2.json", json.dumps(record | {"withdrawn": "2026-01-01T00:00:00Z"}))
    found = lock_tool("weaknesses")([("click", "8.5.0")], export)
    assert found == (["click 8.5.0: X-1 bad"] if is_hit else [])


def test_a_licence_that_is_not_free_is_told() -> None:
    unfree = lock_tool("unfree")
    assert list(unfree([StandIn("a", "MIT"), StandIn("b", "Proprietary"), StandIn("c", "")])) == [
        "b: licence Proprietary",
        "c: licence unknown",
    ]


class StandIn:
    """An installed package as importlib.metadata shows it."""

    def __init__(self, name: str, licence: str) -> None:
        self.name = name
        self.metadata = Message()
        if licence:
            self.metadata["License-Expression"] = licence
