"""How Django reaches the database: SQLite in the data folder, or PostgreSQL by URL."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sheepfold.server.core.errors import BadInput

# FULL: an answered commit is on disk. With group commit it costs what NORMAL costs (0.19 against 0.18 ms a claim).
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536;"
SQLITE_BUSY_SECONDS = 30


def database_settings(url: str, data_dir: Path) -> dict[str, Any]:
    """Django's DATABASES entry for an URL; the empty URL is SQLite. Raises BadInput for anything else."""
    if not url:
        return _sqlite(data_dir / "sheepfold.sqlite3")
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadInput(
            f"database_url: {parts.scheme}:// is not known; use postgresql://user@host/name or leave it empty"
        )
    return _postgresql(url)


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_SECONDS,
            "init_command": SQLITE_PRAGMAS,
        },
    }


def _postgresql(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
    }
