from pathlib import Path

import pytest

from sheepfold.commands.doctor import examine


def test_what_is_missing_comes_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = {finding.what: finding for finding in examine(tmp_path)}
    blender = findings["blender"]
    assert (blender.state, blender.serious) == ("missing", True)
    assert blender.advice == "sudo apt-get install blender (renders on this machine)"
    assert findings["chromium"].serious is False
    assert findings["cage"].state == "without bubblewrap"


def test_a_folder_without_a_farm_is_told(tmp_path: Path) -> None:
    farm = {finding.what: finding for finding in examine(tmp_path / "not" / "there")}["farm"]
    assert farm.state == f"none in {tmp_path}/not/there"
