"""What is checked without running the program: style, types, import directions, links of the docs."""

import subprocess
import sys
from pathlib import Path

from links import broken_links

BIN = Path(sys.executable).parent
FOLDERS = [name for name in ("src", "tests", "tools", "bench", "demo") if Path(name).is_dir()]
CHECKS: tuple[tuple[str, list[Path | str]], ...] = (
    ("ruff check", [BIN / "ruff", "check", *FOLDERS]),
    ("ruff format", [BIN / "ruff", "format", "--check", *FOLDERS]),
    ("mypy", [BIN / "mypy"]),
    ("import directions", [BIN / "lint-imports", "--no-logo"]),
)


def main() -> int:
    failed = [name for name, command in CHECKS if not _passes(name, command)]
    broken = broken_links(Path.cwd())
    for line in broken:
        print(line)
    if broken:
        failed.append("links")
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all good")
    return len(failed)


def _passes(name: str, command: list[Path | str]) -> bool:
    print(f"== {name}", flush=True)
    return subprocess.run(command).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
