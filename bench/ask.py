"""How long "give me work" takes over HTTP, with 512 machines at a farm of 50,000 waiting tiles.

    ./sheepfold bench ask [--engine sqlite] [--seconds 10]

Three crowds: all 512 ask at the same moment, as a class room does, several times; each asks again after a pause of two
seconds on average (closed loop); requests come at random moments, 250 and 500 a second, however long the answers take,
and their time counts from the moment at which they should have begun (open loop). Each request is of a session that
holds nothing, and gets a tile.
"""

import argparse
import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator

from support.farm import Served, add_projects, add_sessions, new_farm
from support.machine import ask
from support.program import Row, engine_parser, quantile, run_on_each
from support.wire import Pool, Times, open_loop

MACHINES = 512
PAUSE = 2.0  # seconds, on average, from an answer to the machine's next request
BURSTS = 6
RATES = (250.0, 500.0)  # a second
Crowd = Callable[[Pool, Times, Iterator[str]], Awaitable[None]]


def main() -> None:
    """Measure and print."""
    made = engine_parser(__doc__)
    made.add_argument("--seconds", type=float, default=10)
    run_on_each(__file__, made.parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Each crowd in turn."""
    seconds, machines = (0.5, 16) if options.quick else (options.seconds, MACHINES)
    rates = (20.0,) if options.quick else RATES
    needed = int(machines * (BURSTS + 2) + (machines / PAUSE + sum(rates)) * seconds * 1.5)
    with new_farm(options.engine) as farm:
        add_projects(20, max(2500, needed // 20 + 1))
        cookies = iter([member.token for member in add_sessions(needed)])
        with farm.served() as served:
            crowds: dict[str, Crowd] = {
                f"{machines} at the same moment": lambda *to: _bursts(*to, machines),
                f"{machines} with pauses": lambda *to: _with_pauses(*to, machines, seconds),
            }
            for rate in rates:
                crowds[f"{rate:.0f} a second"] = lambda *to, rate=rate: _at_rate(*to, rate, seconds)  # type: ignore[misc]
            return [_row(options.engine, name, served, crowd, cookies) for name, crowd in crowds.items()]


def _row(engine: str, name: str, served: Served, crowd: Crowd, cookies: Iterator[str]) -> Row:
    before, started = served.cpu(), time.perf_counter()
    times = asyncio.run(_run(served, crowd, cookies))
    took, used = time.perf_counter() - started, served.cpu().since(before)
    return {
        "engine": engine,
        "crowd": name,
        "claims": len(times),
        "claims / s": len(times) / took,
        "CPU ms each": (used.web + used.database) / len(times) * 1000,
        "p50 ms": quantile(times, 0.5) * 1000,
        "p99 ms": quantile(times, 0.99) * 1000,
    }


async def _run(served: Served, crowd: Crowd, cookies: Iterator[str]) -> list[float]:
    pool, times = Pool(served.address), Times()
    await asyncio.gather(*(ask(pool, next(cookies)) for _ in range(8)))  # connections and caches of the server
    await crowd(pool, times, cookies)
    pool.close()
    return times.by_kind["ask"]


async def _ask(pool: Pool, times: Times, cookie: str, since: float) -> None:
    await ask(pool, cookie)
    times.note("ask", since)


async def _bursts(pool: Pool, times: Times, cookies: Iterator[str], machines: int) -> None:
    for _ in range(BURSTS):
        everybody = list(itertools.islice(cookies, machines))
        since = time.perf_counter()
        await asyncio.gather(*(_ask(pool, times, cookie, since) for cookie in everybody))
        await asyncio.sleep(0.5)


async def _with_pauses(pool: Pool, times: Times, cookies: Iterator[str], machines: int, seconds: float) -> None:
    until, pauses = time.perf_counter() + seconds, random.Random(1)

    async def one() -> None:
        await asyncio.sleep(pauses.uniform(0, PAUSE))
        while time.perf_counter() < until:
            await _ask(pool, times, next(cookies), time.perf_counter())
            await asyncio.sleep(pauses.expovariate(1 / PAUSE))

    await asyncio.gather(*(one() for _ in range(machines)))


async def _at_rate(pool: Pool, times: Times, cookies: Iterator[str], rate: float, seconds: float) -> None:
    await open_loop(lambda moment: _ask(pool, times, next(cookies), moment), rate, seconds)


if __name__ == "__main__":
    main()
