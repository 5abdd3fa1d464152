"""What a farm's database and store say, read from outside and without the farm's own code."""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import EmptyFarm

WAITING, RENDERING, DONE = 0, 1, 2  # as `frames.models.TileStatus` numbers them
TAKEN = "('accepted', 'replaced', 'verifying', 'refuted')"  # verdicts on pictures that the farm took


@dataclass(frozen=True)
class Books:
    """A connection of its own. The statements are the same for SQLite and PostgreSQL."""

    data_dir: Path
    execute: Callable[[str], Any]
    close: Callable[[], None]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return [tuple(row) for row in self.execute(statement).fetchall()]

    def number(self, statement: str) -> int:
        """The one number of a query; an empty sum is 0."""
        return int(self.rows(statement)[0][0] or 0)

    def done(self) -> int:
        """Tiles that are done."""
        return self.number(f"SELECT count(*) FROM frames_tile WHERE status = {DONE}")

    def open_leases(self) -> int:
        """Leases that have not ended."""
        return self.number("""SELECT count(*) FROM dispatch_lease WHERE "end" = ''""")

    def accepted_per_tile(self) -> dict[int, int]:
        """How many accepted results each tile has, by tile id."""
        return dict(
            self.rows(
                "SELECT t.id, count(r.id) FROM frames_tile t"
                " LEFT JOIN results_result r ON r.tile_id = t.id AND r.verdict = 'accepted' GROUP BY t.id"
            )
        )

    def check(self) -> None:
        """Every promise of the ledger and the store that holds at any moment when nothing runs."""
        self._check_results()
        self._check_points()
        self._check_blobs()

    def _check_results(self) -> None:
        assert (
            self.rows(
                "SELECT t.id FROM frames_tile t WHERE (t.status = 2) <> EXISTS"
                " (SELECT 1 FROM results_result r WHERE r.tile_id = t.id AND r.verdict = 'accepted')"
            )
            == []
        ), "a tile is done exactly when it has an accepted result"
        assert (
            self.rows(
                "SELECT r.id FROM results_result r JOIN dispatch_lease l ON l.token = r.lease_token"
                f""" WHERE r.verdict IN {TAKEN} AND l."end" <> 'accepted'"""
            )
            == []
        ), "an accepted result has an accepted lease"
        assert self.number("""SELECT count(*) FROM dispatch_lease WHERE "end" = 'accepted'""") == self.number(
            f"SELECT count(*) FROM results_result WHERE verdict IN {TAKEN}"
        ), "an accepted lease has one result"

    def _check_points(self) -> None:
        """A point is a minute of rendering; a frame is worth a thousandth at least. What a picture moved that was found
        wrong has moved back."""
        self._check_entries(TAKEN, rendered=1, spent=-1)
        self._check_entries("('refuted')", taken_back=-1, refunded=1)

    def _check_entries(self, verdicts: str, **signs: int) -> None:
        results = self.rows(f"SELECT id, rendertime FROM results_result WHERE verdict IN {verdicts}")
        prices = {result: max(1, round(seconds * (1000 / 60))) for result, seconds in results}
        for kind, sign in signs.items():
            entries = self.rows(f"SELECT result_id, millipoints FROM results_pointsentry WHERE kind = '{kind}'")
            assert sorted(entries) == sorted((result, sign * price) for result, price in prices.items())

    def _check_blobs(self) -> None:
        """No row without its bytes, and every file is what its name says: none is half-written."""
        rows = {row[0]: row[1:] for row in self.rows("SELECT sha256, md5, size FROM core_blob")}
        files = {path.parent.name + path.name: path.read_bytes() for path in self.blob_files()}
        assert rows.keys() - files.keys() == set(), "rows without bytes"
        for name, content in files.items():
            assert hashlib.sha256(content).hexdigest() == name
        for name, facts in rows.items():
            assert facts == (hashlib.md5(files[name]).hexdigest(), len(files[name]))

    def blob_files(self) -> list[Path]:
        """All files of the store."""
        return sorted((self.data_dir / "blobs").glob("??/*"))

    def blob_names(self) -> set[str]:
        """The hashes that have a row."""
        return {row[0] for row in self.rows("SELECT sha256 FROM core_blob")}


def open_books(farm: EmptyFarm) -> Books:
    """Reads whatever is committed at the moment of each query."""
    path = farm.data_dir / "sheepfold.sqlite3"
    connection: Any = (
        psycopg.connect(farm.database_url, autocommit=True)
        if farm.database_url
        else sqlite3.connect(path, isolation_level=None, timeout=30)
    )
    return Books(farm.data_dir, connection.execute, connection.close)
