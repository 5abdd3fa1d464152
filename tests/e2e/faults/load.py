"""A crowd of simulated machines that works while something harms its farm, and the account of it afterwards."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from sqlite3 import Error as SqliteError

from psycopg import Error as PostgresError

from sheepfold.simulator.crowd import Crowd, Stage, simulate
from sheepfold.simulator.ledger import FarmBooks, Ledger, Payment, Tile, TileEnd, compare
from sheepfold.simulator.machine import Account, Task
from sheepfold.simulator.scenarios import Habits, Scenario
from tests.conftest import EmptyFarm
from tests.e2e.books import DONE, RENDERING, WAITING, Books, open_books
from tests.e2e.running import run_python, wait_until

MACHINES = 6
SECONDS = 100.0  # after which the crowd gives up
PROJECTS = 3
FRAMES_AFTER = 3  # that show that the farm is back
ENDS = {DONE: TileEnd.DONE, WAITING: TileEnd.OPEN, RENDERING: TileEnd.OPEN}


def _habits(number: int, random: Random) -> Habits:
    return Habits(rendering=(0.15, 0.45), own_client=number % 2 == 0)


@dataclass
class Load:
    """Machines at work. `token`: of an owner, for the API. `back`: seconds from the end of each fault to the next frame
    that the farm took."""

    farm: EmptyFarm
    token: str = ""
    work: "Future[Ledger]" = field(default_factory=Future)
    ledger: Ledger = field(default_factory=lambda: Ledger(hurt=True))
    back: dict[str, float] = field(default_factory=dict)

    def taken(self) -> int:
        """Frames that the farm has taken so far."""
        return len(self.ledger.taken_at)

    def suffer(self, name: str, fault: Callable[[], object]) -> None:
        """Let the fault happen in the middle of the work; returns when the farm is back at it."""
        self.await_more(FRAMES_AFTER)
        fault()
        over, before = time.monotonic(), self.taken()
        self.await_more(FRAMES_AFTER)
        self.back[name] = self.ledger.taken_at[before] - over

    def report(self, record_property: Callable[[str, object], None]) -> None:
        """Tell how long the farm needed to be back; nobody asserts it."""
        engine = "PostgreSQL" if self.farm.database_url else "SQLite"
        for name, seconds in self.back.items():
            record_property(f"back after {name} ({engine})", f"{seconds:.2f} s")

    def await_more(self, frames: int) -> None:
        """Return when the farm has taken so many more."""
        wanted = self.taken() + frames
        wait_until(lambda: self.taken() >= wanted or self.work.done(), f"more frames are taken; {self.ledger}")
        assert not self.work.done(), f"no work is left, or the machines broke: {self.work}"

    def finish(self) -> None:
        """Return when the machines have done everything."""
        self.work.result()

    def is_done(self) -> bool:
        """Whether nothing waits and nothing is rendered. False also when the database does not answer."""
        try:
            with closing_books(self.farm) as books:
                return books.number("SELECT count(*) FROM frames_tile WHERE status IN (0, 1)") == 0
        except (PostgresError, SqliteError):
            return False


@contextmanager
def closing_books(farm: EmptyFarm) -> Iterator[Books]:
    """For one look, by any thread."""
    books = open_books(farm)
    try:
        yield books
    finally:
        books.close()


@contextmanager
def loaded(farm: EmptyFarm, serve: Callable[[], str], tiles: int) -> Iterator[Load]:
    """Machines work while the body runs, and until all tiles are done. Then both accounts agree, or it fails.

    `serve` starts the farm, once it has been filled, and tells its URL.
    """
    account, task, token = fill(farm, tiles)
    load = Load(farm, token)
    scenario = Scenario("load", "half of them other clients", _habits)
    crowd = Crowd(scenario, MACHINES, 2024, serve(), (account,), task)
    hurry = threading.Event()
    stage = Stage(lambda: hurry.is_set() or load.is_done(), lambda: None, SECONDS)
    with ThreadPoolExecutor(1) as pool:
        load.work = pool.submit(simulate, crowd, stage, load.ledger)
        try:
            yield load
            load.finish()
        finally:
            hurry.set()
    check(load, tiles)


def fill(farm: EmptyFarm, tiles: int) -> tuple[Account, Task, str]:
    """Three projects, with so many tiles in all. Who the machines are, what they know, and the token of an owner."""
    said = json.loads(run_python(farm, Path(__file__).parent / "fill_crowd.py", str(tiles)))
    return Account(said["login"], said["key"]), Task(said["width"], said["height"]), said["token"]


def check(load: Load, tiles: int) -> None:
    """No tile was lost and none counts twice, nothing is open, and every stored file is there."""
    with closing_books(load.farm) as books:
        wait_until(lambda: books.open_leases() == 0, "no lease is open")
        wait_until(lambda: books.rows(_FILMS) == [("done",)] * PROJECTS, "the films of all projects are made")
        differences = compare(load.ledger, _accounts(books))
        assert differences == [], "\n".join(differences[:10])
        assert list(books.accepted_per_tile().values()) == [1] * tiles
        if (load.farm.data_dir / "blobs").exists():
            books.check()


def _accounts(books: Books) -> FarmBooks:
    """The farm's account in the simulator's words. Damaged files are `Books.check`'s to find."""
    tiles = books.rows("SELECT id, project_id, frame, status FROM frames_tile")
    names = {row[0]: Tile(row[1], row[2]) for row in tiles}
    payments: dict[Tile, tuple[Payment, ...]] = {}
    for tile_id, earned, spent in books.rows(_PAYMENTS):
        payments[names[tile_id]] = (*payments.get(names[tile_id], ()), Payment(int(earned), int(spent)))
    ends = {names[row[0]]: ENDS.get(row[3], TileEnd.FAILED) for row in tiles}
    return FarmBooks(ends, payments, books.open_leases(), lost_files=0)


_FILMS = "SELECT status FROM outputs_video"  # each shows that the queue of jobs works again
_PAYMENTS = """
SELECT r.tile_id, sum(CASE p.kind WHEN 'rendered' THEN p.millipoints ELSE 0 END),
    sum(CASE p.kind WHEN 'spent' THEN p.millipoints ELSE 0 END)
FROM results_result r JOIN results_pointsentry p ON p.result_id = r.id
WHERE r.verdict IN ('accepted', 'replaced') GROUP BY r.id, r.tile_id
"""
