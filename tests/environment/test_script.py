"""The script `./sheepfold` with a Python that only tells how it was called."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TELLS = '#!/bin/sh\necho "$@"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is complete."""
    shutil.copy(ROOT / "sheepfold", tmp_path)
    _program(tmp_path / ".venv" / "bin" / "python", TELLS)
    for lock in (tmp_path / "requirements.lock", tmp_path / ".venv" / "requirements.lock"):
        lock.write_text("click==8\n")
    return tmp_path


def test_a_command_goes_to_the_package(checkout: Path) -> None:
    assert _run(checkout, "submit", "my scene.blend") == (0, "-m sheepfold submit my scene.blend\n", "")


def test_checks_tests_and_measurements_are_tools_of_the_checkout(checkout: Path) -> None:
    assert _run(checkout, "test", "-k", "x")[1] == "tools/test.py -k x\n"
    assert _run(checkout, "check")[1] == "tools/check.py\n"
    _program(checkout / "bench" / "claims.py", "")
    assert _run(checkout, "bench", "claims", "--short")[1] == "bench/claims.py --short\n"
    assert _run(checkout, "bench", "wool")[1] == "bench/support/listing.py wool\n"
    assert _run(checkout, "bench")[1] == "bench/support/listing.py\n"


def test_it_works_from_any_folder(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run([checkout / "sheepfold", "doctor"], cwd=elsewhere, capture_output=True, text=True)
    assert done.stdout == "-m sheepfold doctor\n"


@pytest.mark.parametrize("missing", ["requirements.lock", "bin/python"])
def test_a_half_made_environment_is_made_again(checkout: Path, missing: str) -> None:
    (checkout / ".venv" / missing).unlink()
    programs = _programs(checkout)
    _program(programs / "python3", '#!/bin/sh\n[ "$1" = -c ] || echo "$PYTHONPATH" "$@"\n')
    told = _run(checkout, "doctor", path=programs)[1].splitlines()
    assert told[0] == f"{checkout}/src -m sheepfold.environment {checkout}"


def test_without_a_python_that_is_new_enough_it_says_what_to_install(checkout: Path) -> None:
    (checkout / ".venv" / "requirements.lock").unlink()
    programs = _programs(checkout)
    _program(programs / "python3", "#!/bin/sh\nexit 1\n")
    status, output, errors = _run(checkout, "doctor", path=programs)
    assert (status, output) == (1, "")
    assert errors.startswith("sheepfold: Python 3.11 or newer is needed and was not found.\n")


def _programs(folder: Path) -> Path:
    """A PATH with what the script needs and no Python."""
    programs = folder / "programs"
    for name in ("sh", "dirname", "cmp"):
        (programs / name).parent.mkdir(exist_ok=True)
        (programs / name).symlink_to(shutil.which(name) or "")
    return programs


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _run(checkout: Path, *arguments: str, path: Path | None = None) -> tuple[int, str, str]:
    environment = {"PATH": str(path)} if path else None
    command = [checkout / "sheepfold", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
