from pathlib import Path

from sheepfold.environment.venv import is_ready


def test_an_environment_without_its_copy_of_the_lock_is_not_ready(tmp_path: Path) -> None:
    _environment(tmp_path)
    (tmp_path / ".venv" / "requirements.lock").unlink()
    assert is_ready(tmp_path) is False


def test_an_environment_of_another_lock_is_not_ready(tmp_path: Path) -> None:
    _environment(tmp_path)
    (tmp_path / "requirements.lock").write_text("click==9\n")
    assert is_ready(tmp_path) is False


def test_an_environment_whose_python_went_away_is_not_ready(tmp_path: Path) -> None:
    _environment(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").unlink()
    assert is_ready(tmp_path) is False


def test_a_whole_environment_is_ready(tmp_path: Path) -> None:
    _environment(tmp_path)
    assert is_ready(tmp_path) is True


def _environment(root: Path) -> None:
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").touch()
    for lock in (root / "requirements.lock", root / ".venv" / "requirements.lock"):
        lock.write_text("click==8\n")
