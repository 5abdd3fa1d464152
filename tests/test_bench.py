"""The programs that measure start, measure a little and print a table. Nobody looks at the figures here."""

import json
import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"
MIX = {"web cores", "together", "decode cores", "request", "a second", "p99 ms"}


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHEEPFOLD_")}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=BENCH, env=environment, capture_output=True, text=True, timeout=120)


def test_the_mix_of_machines_measures_a_farm() -> None:
    """The one that uses most of what the programs share."""
    done = bench("mix.py", "--quick", "--json", "--engine", "sqlite")

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {title for row in rows for title in row} >= MIX
    assert {row.get("request") for row in rows} == {None, "archive", "ask", "frame", "heartbeat"}
    assert {row["engine"] for row in rows} == {"sqlite"}


def test_the_list_names_every_program() -> None:
    done = bench("support/listing.py")
    named = {line.split()[0] for line in done.stdout.splitlines()[2:]}

    assert done.returncode == 0
    assert named == {path.stem for path in BENCH.glob("*.py")}


def test_a_program_that_is_not_there_is_named() -> None:
    done = bench("support/listing.py", "nothing")

    assert (done.returncode, done.stderr) == (2, "sheepfold: there is no bench/nothing.py\n")
