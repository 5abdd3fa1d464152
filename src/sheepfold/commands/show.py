"""What commands print: tables for people, JSON for programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import click
from rich.console import Console
from rich.table import Table

Row: TypeAlias = dict[str, Any]

as_json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of a table."
)


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, and what it shows of a row."""

    head: str
    cell: Callable[[Row], object]
    right: bool = False


def print_rows(rows: Sequence[Row], columns: Iterable[Column], *, as_json: bool, nothing: str) -> None:
    """The rows; for people, `nothing` if there are none."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo(nothing)
    else:
        Console().print(_table(rows, columns))


def _table(rows: Sequence[Row], columns: Iterable[Column]) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = list(columns)
    for column in shown:
        table.add_column(column.head, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if (cell := column.cell(row)) is None else str(cell) for column in shown))
    return table


def duration(seconds: float | None) -> str:
    """`7.3 s`, `2 min 5 s`, `3 h 20 min`; empty if unknown."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def local_time(text: str | None) -> str:
    """A moment as the clock on the wall shows it."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}" if text else ""
