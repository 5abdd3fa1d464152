"""Bandit over the given folders. A line that a `noqa: S…` excuses from ruff's copy of a rule is excused here too."""

import json
import linecache
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXCUSED = re.compile(r"# noqa: ([A-Z0-9, ]+)")


def main() -> int:
    command = [
        sys.executable,
        "-m",
        "bandit",
        "-q",
        "-f",
        "json",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-r",
        *sys.argv[1:],
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"bandit failed:\n{done.stderr}")
    report = json.loads(done.stdout)
    problems = [f"{one['filename']}: {one['reason']}" for one in report["errors"]]
    problems += [_words(one) for one in report["results"] if not _is_excused(one)]
    print("\n".join(problems) or f"{report['metrics']['_totals']['loc']} lines, no problem")
    return len(problems)


def _is_excused(finding: dict[str, Any]) -> bool:
    rule = f"S{finding['test_id'][1:]}"
    lines = (linecache.getline(finding["filename"], number) for number in finding["line_range"])
    return any(rule in found[1] for line in lines if (found := EXCUSED.search(line)))


def _words(finding: dict[str, Any]) -> str:
    return f"{finding['filename']}:{finding['line_number']}: {finding['test_id']} {finding['issue_text']}"


if __name__ == "__main__":
    sys.exit(main())
