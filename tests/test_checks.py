"""What `./sheepfold check` looks at holds for every commit."""

import runpy
import subprocess
from pathlib import Path

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
