"""How a measuring program is called and what it prints."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

ENGINES = ("sqlite", "postgresql")
LONGEST = 900  # seconds that one engine of one program may take

Value = str | int | float
Row = dict[str, Value]  # one line of the table, by the column's title
Measure = Callable[[argparse.Namespace], list[Row]]


def parser(words: str | None) -> argparse.ArgumentParser:
    """With the options that all programs have."""
    made = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="small and short: shows that it works, measures nothing")
    made.add_argument("--json", action="store_true", help="print the rows as JSON")
    return made


def engine_parser(words: str | None) -> argparse.ArgumentParser:
    """The same, with the choice of the database."""
    made = parser(words)
    made.add_argument("--engine", choices=ENGINES, help="one database; without it, each in turn")
    return made


def run(options: argparse.Namespace, measure: Measure) -> None:
    """Measure and print."""
    _clean_up_when_told_to_end()
    show(measure(options), options.json)


def _clean_up_when_told_to_end() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def run_on_each(program: str, options: argparse.Namespace, measure: Measure) -> None:
    """The same on each database, in a process of its own: Django opens one in its life."""
    if options.engine:
        run(options, measure)
        return
    _clean_up_when_told_to_end()
    show([row for engine in ENGINES for row in _measured(program, engine)], options.json)


def _measured(program: str, engine: str) -> list[Row]:
    command = [sys.executable, program, *sys.argv[1:], "--engine", engine]
    with tempfile.TemporaryFile("w+") as output:
        command += [] if "--json" in command else ["--json"]
        if _status(command, output):
            sys.exit(f"{Path(program).name} failed on {engine}")
        output.seek(0)
        rows: list[Row] = json.load(output)
    return rows


def _status(command: list[str], output: IO[str]) -> int:
    """Run it. Whatever ends this program ends that one as well, in a way that lets it clean up."""
    with subprocess.Popen(command, stdout=output) as measuring:
        try:
            return measuring.wait(LONGEST)
        except BaseException:
            measuring.terminate()
            raise


def show(rows: Sequence[Row], as_json: bool) -> None:
    """A table of Markdown, or JSON. Rows of different columns get tables of their own."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    titles: list[str] = []
    for row in rows:
        if list(row) != titles:
            titles = list(row)
            print(f"\n| {' | '.join(titles)} |")
            print("|---" * len(titles) + "|")
        print(f"| {' | '.join(_text(value) for value in row.values())} |")


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


def note(words: str) -> None:
    """For whoever watches; the table stays clean."""
    print(words, file=sys.stderr, flush=True)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies; 0 where there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0
