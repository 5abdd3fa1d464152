"""`sheepfold simulate`: a crowd of machines against a real server, and both accounts compared."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import DATA_DIR, start_django
from sheepfold.simulator.crowd import Crowd, Stage, simulate
from sheepfold.simulator.ledger import FarmBooks, Ledger, TileEnd, compare
from sheepfold.simulator.scenarios import SCENARIOS, Scenario

LEASE_SECONDS = 8.0  # a day on a real farm: what vanished with its machine shall come back while we watch
LEASE_HOURS = "SHEEPFOLD_LEASE_HOURS"
MOST_DIFFERENCES = 20  # shown


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. Times in seconds."""

    scenario: str
    machines: int
    seed: int
    seconds: float
    tiles_done: int
    tiles_failed: int
    logins: int
    jobs: int
    vanished: int
    outages: int
    broken_off: int
    lost_leases: int
    work_answers: dict[int, int]
    upload_answers: dict[int, int]
    cheats: int
    cheats_found: int
    wrong_pictures: int
    verified: int
    claim_median: float
    claim_p99: float
    differences: tuple[str, ...]


@click.command("simulate")
@click.option("--machines", default=20, show_default=True, help="How many.")
@click.option("--scenario", "name", type=click.Choice(list(SCENARIOS)), default="steady", show_default=True)
@click.option("--tiles", default=300, show_default=True, help="Frames to render, of three projects.")
@click.option("--seed", default=1, show_default=True, help="Decides about everything that is random.")
@click.option("--seconds", default=300.0, show_default=True, help="When to give up.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of an empty farm.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate_command(
    machines: int, name: str, tiles: int, seed: int, seconds: float, data_dir: Path | None, as_json: bool
) -> None:
    """Let simulated machines work for a farm of their own, and compare what they saw with what it wrote down.

    HTTP, server, database and store are real; only the time of rendering is made up. Ends with status 1 if the two
    accounts differ. Without --data-dir the farm is made for this and deleted afterwards.
    """
    with _folder(data_dir) as folder:
        report = _run(SCENARIOS[name], machines, tiles, seed, seconds, folder)
    click.echo(json.dumps(asdict(report), indent=2) if as_json else _words(report))
    if report.differences:
        raise CommandError(f"{len(report.differences)} differences between the machines' account and the farm's")


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None or DATA_DIR in os.environ:
        yield data_dir or Path(os.environ[DATA_DIR])
        return
    made = Path(tempfile.mkdtemp(prefix="sheepfold-simulated-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _run(scenario: Scenario, machines: int, tiles: int, seed: int, seconds: float, folder: Path) -> Report:
    os.environ.setdefault(LEASE_HOURS, str(LEASE_SECONDS / 3600))
    start_django(folder)
    from sheepfold.commands import simulated_farm
    from sheepfold.server.run import prepare

    prepare()
    filled = simulated_farm.fill(tiles, poisoned=scenario.poisoned, lenders=scenario.owners)
    started = time.monotonic()
    with simulated_farm.serve(folder, folder / "simulated.log") as farm:
        crowd = Crowd(scenario, machines, seed, farm.url, filled.accounts, filled.task)
        is_done = _fresh(simulated_farm.is_done if scenario.owners == 1 else simulated_farm.is_done_and_verified)
        ledger = simulate(crowd, Stage(is_done, farm.kill_servers, seconds))
        took = time.monotonic() - started
        _await(_fresh(lambda: simulated_farm.open_leases() == 0), float(os.environ[LEASE_HOURS]) * 3600 * 3)
    books = simulated_farm.read_books()
    return _report(crowd, took, ledger, books)


def _fresh(look: Callable[[], bool]) -> Callable[[], bool]:
    """Looks from any thread, each time over a connection of its own: the server may have died meanwhile."""

    def looked() -> bool:
        from django.db import connection

        try:
            return look()
        finally:
            connection.close()

    return looked


def _await(condition: Callable[[], bool], seconds: float) -> None:
    """Look until it is so or the time is over; the comparison says what was missed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not condition():
        time.sleep(0.2)


def _report(crowd: Crowd, seconds: float, ledger: Ledger, books: FarmBooks) -> Report:
    times = sorted(ledger.claim_times) or [0.0]
    ends = list(books.ends.values())
    return Report(
        scenario=crowd.scenario.name,
        machines=crowd.machines,
        seed=crowd.seed,
        seconds=round(seconds, 1),
        tiles_done=ends.count(TileEnd.DONE),
        tiles_failed=ends.count(TileEnd.FAILED),
        logins=ledger.logins,
        jobs=ledger.jobs,
        vanished=ledger.vanished,
        outages=ledger.outages,
        broken_off=ledger.broken_off,
        lost_leases=ledger.lost_leases,
        work_answers=dict(sorted(ledger.work_answers.items())),
        upload_answers=dict(sorted(ledger.upload_answers.items())),
        cheats=len(ledger.wrong),
        cheats_found=len(ledger.wrong.keys() & books.disabled),
        wrong_pictures=ledger.wrong.total(),
        verified=sum(map(len, books.verifying.values())),
        claim_median=round(times[len(times) // 2], 4),
        claim_p99=round(times[int(len(times) * 0.99)], 4),
        differences=tuple(compare(ledger, books, crowd.task.poisoned)),
    )


def _words(report: Report) -> str:
    facts = asdict(report)
    facts["differences"] = len(report.differences)
    width = max(map(len, facts))
    lines = [f"{name.replace('_', ' '):<{width}}  {value}" for name, value in facts.items()]
    return "\n".join([*lines, *report.differences[:MOST_DIFFERENCES]])
