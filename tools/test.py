"""Runs the tests: all of them on SQLite and, beside it, those that need a database on PostgreSQL.

Arguments go to pytest. `--sqlite` leaves PostgreSQL out, for a quick look while working.
"""

import os
import signal
import subprocess
import sys

from sheepfold.environment.postgres import CARELESS, temporary_postgres
from sheepfold.environment.system import (
    BLENDER,
    BUBBLEWRAP,
    CHROMIUM,
    POSTGRESQL,
    CannotInstall,
    ensure,
)

# `each`: both workers go through the whole collection; tests/conftest.py tells the second what is its part.
# They must not inherit the settings that the first process has loaded.
WORKER = "--tx=popen//env:DJANGO_SETTINGS_MODULE="
BOTH = ("--dist=each", WORKER, f"{WORKER}//env:SHEEPFOLD_TEST_ENGINE=postgresql")


def main() -> int:
    arguments = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tests: interrupted"))  # so that PostgreSQL ends as well
    try:
        ensure((BLENDER, BUBBLEWRAP, CHROMIUM, POSTGRESQL))
    except CannotInstall as error:
        sys.exit(f"sheepfold: {error}")
    if "--sqlite" in arguments:
        arguments.remove("--sqlite")
        return _pytest(arguments, {})
    with temporary_postgres(CARELESS) as url:
        return _pytest([*BOTH, *arguments], {"SHEEPFOLD_TEST_POSTGRESQL": url})


def _pytest(arguments: list[str], environment: dict[str, str]) -> int:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHEEPFOLD_")}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env=inherited | environment).returncode


if __name__ == "__main__":
    sys.exit(main())
