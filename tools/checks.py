"""The checks that programs of others make; run by `./sheepfold check` and by the tests."""

import sys
from pathlib import Path

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
FOLDERS = [name for name in ("src", "tests", "tools", "bench", "demo") if (ROOT / name).is_dir()]
CHECKS: tuple[tuple[str, list[Path | str]], ...] = (
    ("ruff check", [BIN / "ruff", "check", *FOLDERS]),
    ("ruff format", [BIN / "ruff", "format", "--check", *FOLDERS]),
    ("mypy", [BIN / "mypy"]),
    ("import directions", [BIN / "lint-imports", "--no-logo"]),
    ("security", [sys.executable, ROOT / "tools" / "security.py", "src"]),
    ("lock file", [sys.executable, ROOT / "tools" / "lock.py"]),
)
