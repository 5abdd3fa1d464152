"""The Python environment of a checkout: `.venv`, exactly what requirements.lock says."""

import fcntl
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sheepfold.environment.system import CannotInstall, install_packages

LOCK = "requirements.lock"


def is_ready(root: Path) -> bool:
    """Whether `.venv` holds what the lock says. Its copy of the lock is written last."""
    done = root / ".venv" / LOCK
    return done.is_file() and done.read_bytes() == (root / LOCK).read_bytes() and _python(root).exists()


def make(root: Path) -> None:
    """Make `.venv` or bring it up to date. An interrupted one is made again. Raises CannotInstall."""
    with _alone(root):
        if not is_ready(root):
            _create(root)
            _install(root)


def _create(root: Path) -> None:
    done = root / ".venv" / LOCK
    usable = done.is_file() and _python(root).exists()
    done.unlink(missing_ok=True)
    if usable:
        return  # only the lock changed
    if importlib.util.find_spec("ensurepip") is None:  # Debian has it in a package of its own
        install_packages([f"python3.{sys.version_info.minor}-venv"])
    _run(
        [sys.executable, "-m", "venv", "--clear", str(root / ".venv")],
        "the Python environment cannot be made",
    )


def _install(root: Path) -> None:
    print("sheepfold: installing Python packages into .venv, once", file=sys.stderr, flush=True)
    pip = [str(_python(root)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Wheels only: what builds from source runs foreign code and needs a compiler.
    exact = ["--require-hashes", "--only-binary", ":all:", "--requirement", str(root / LOCK)]
    _run([*pip, *exact], "the Python packages cannot be installed")
    packages = next((root / ".venv" / "lib").glob("python3.*/site-packages"))
    (packages / "sheepfold.pth").write_text(f"{root / 'src'}\n")
    shutil.copyfile(root / LOCK, root / ".venv" / LOCK)


def _python(root: Path) -> Path:
    return root / ".venv" / "bin" / "python"


def _run(command: list[str], failure: str) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise CannotInstall(f"{failure}; the lines above say why")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two terminals may start at the same time: the second waits for the first."""
    with (root / ".venv.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
