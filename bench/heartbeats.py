"""Signs of life a second and what one costs, by number of sessions in the database.

    ./sheepfold bench heartbeats [--engine sqlite] [--seconds 8]

64 connections ask one after the other over HTTP, each time for another machine, which renders a tile and names it. The
sessions and leases are there beforehand. CPU is that of the web process and, for PostgreSQL, of its server; `growth`
compares it with the smallest number of sessions of the same run.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator

from support.farm import Holding, Served, add_projects, add_sessions, hand_out, new_farm
from support.machine import beat
from support.program import Row, engine_parser, quantile, run_on_each
from support.wire import Pool, Times

CONNECTIONS = 64
SIZES = (1000, 100_000)
QUICK = (100, 200)


def main() -> None:
    """Measure and print."""
    made = engine_parser(__doc__)
    made.add_argument("--seconds", type=float, default=8)
    run_on_each(__file__, made.parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Each number of sessions, the smaller first."""
    sizes, seconds = (QUICK, 0.5) if options.quick else (SIZES, options.seconds)
    rows: list[Row] = []
    held: dict[str, Holding] = {}
    with new_farm(options.engine) as farm:
        add_projects(20, sizes[-1] // 20 + 100)
        for size in sizes:
            held |= hand_out(add_sessions(size - len(held), first=len(held)))
            with farm.served() as served:
                asyncio.run(_beat(served, held, 0.3))  # the first requests of a process cost more
                before = served.cpu()
                times = asyncio.run(_beat(served, held, seconds))
                used = served.cpu().since(before)
            cost = (used.web + used.database) / len(times)
            rows.append(_row(options.engine, size, times, seconds, cost, rows))
    return rows


def _row(engine: str, size: int, times: list[float], seconds: float, cost: float, smaller: list[Row]) -> Row:
    first = float(smaller[0]["CPU ms each"]) if smaller else cost * 1000
    return {
        "engine": engine,
        "sessions": size,
        "heartbeats / s": len(times) / seconds,
        "CPU ms each": cost * 1000,
        "growth": cost * 1000 / first,
        "p99 ms": quantile(times, 0.99) * 1000,
    }


async def _beat(served: Served, held: dict[str, Holding], seconds: float) -> list[float]:
    """Seconds that each answer took."""
    pool, times = Pool(served.address), Times()
    everybody = itertools.cycle(held.items())
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_one_connection(pool, times, everybody, until) for _ in range(CONNECTIONS)))
    pool.close()
    return times.by_kind["heartbeat"]


async def _one_connection(pool: Pool, times: Times, everybody: Iterator[tuple[str, Holding]], until: float) -> None:
    while (since := time.perf_counter()) < until:
        cookie, holding = next(everybody)
        await beat(pool, cookie, holding)
        times.note("heartbeat", since)


if __name__ == "__main__":
    main()
