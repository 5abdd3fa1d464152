from pathlib import Path

import pytest

from sheepfold.environment.system import CannotInstall, Program, ensure, find

NOWHERE = Program(("no-such-program",), "no-such-package", "a test")


def test_any_of_the_names_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other-name"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find(Program(("first-name", "other-name"), "package", "a test")) == other


def test_a_missing_program_is_none() -> None:
    assert find(NOWHERE) is None


def test_a_system_without_apt_gets_words_not_a_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotInstall) as caught:
        ensure([NOWHERE])
    assert str(caught.value) == (
        "missing: no-such-package. Install it with this system's package manager and try again."
    )


def test_nothing_happens_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find(Program(("sh",), "dash", "a test"))
    assert found is not None
    monkeypatch.setenv("PATH", str(found.parent))
    ensure([Program(("sh",), "dash", "a test")])
