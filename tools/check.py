"""What is checked without running the program: style, types, import directions, links of the docs."""

import subprocess
import sys
from pathlib import Path

from checks import CHECKS, ROOT
from links import broken_links


def main() -> int:
    failed = [name for name, command in CHECKS if not _passes(name, command)]
    broken = broken_links(ROOT)
    for line in broken:
        print(line)
    if broken:
        failed.append("links")
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all good")
    return len(failed)


def _passes(name: str, command: list[Path | str]) -> bool:
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
