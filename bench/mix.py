"""100,000 machines at one farm: what they ask for in each second, and how the farm bears it.

    ./sheepfold bench mix [--engine sqlite] [--seconds 40] [--machines 100000] [--connections fresh]

Each machine gives a sign of life every 15 minutes and finishes a frame every 10: 111 heartbeats, 167 frames and 167
requests for work a second, at random moments, from a process of their own (open loop: however slow the farm answers,
the next request comes; times count from the intended moment). Before, the database gets 300 projects with 2,000,000
tiles and a session with a lease for each machine. A machine sends its frame, asks for more, naming the scene that it
has just rendered, and fetches another when it gets a frame of another one. All projects have the same priority and an
owner each.

`web` is the CPU of the process that answers, in cores; `decode` that of the processes that decode the images,
`database` that of PostgreSQL. The goal is web + background + database below one core and each p99 below 250 ms.
`--connections fresh` opens one for each request, as machines that ask once in minutes do.
"""

import argparse
import asyncio
import gc
import itertools
import random
import time
from dataclasses import dataclass, field

from support.farm import Cpu, Holding, add_projects, add_sessions, hand_out, new_farm
from support.machine import ask, beat, fetch, holding_of, send
from support.pictures import small_png
from support.program import Row, engine_parser, note, quantile, run_on_each
from support.wire import Pool, Times, open_loop

PROJECTS = 300
TILES = 2_000_000
BEAT_SECONDS = 15 * 60
FRAME_SECONDS = 10 * 60
ARCHIVE_BYTES = 64 * 1024  # of a scene, so that the connection is measured and not the copying of bytes
SIDE = 64  # pixels of the frames


def main() -> None:
    """Measure and print."""
    made = engine_parser(__doc__)
    made.add_argument("--seconds", type=float, default=40)
    made.add_argument("--machines", type=int, default=100_000)
    made.add_argument("--connections", choices=("kept", "fresh"), default="kept")
    run_on_each(__file__, made.parse_args(), measure)


@dataclass(slots=True)
class Crowd:
    """The machines, as far as they are seen: who holds which tile, and the scene's MD5 of each project."""

    pool: Pool
    held: dict[str, Holding]
    scenes: dict[int, str]
    times: Times = field(default_factory=Times)

    async def finish_frame(self, cookie: str, number: int, moment: float) -> None:
        """Send it, ask for the next one, and fetch its scene."""
        held = self.held.pop(cookie)
        await send(self.pool, cookie, held, small_png(number, SIDE))
        self.times.note("frame", moment)
        asked = time.perf_counter()
        job = await ask(self.pool, cookie, [self.scenes[held.project_id]])
        self.times.note("ask", asked)
        self.held[cookie] = holding_of(job)
        if job.id != held.project_id:
            fetched = time.perf_counter()
            await fetch(self.pool, cookie, job, "job")
            self.times.note("archive", fetched)

    async def give_sign(self, cookie: str, moment: float) -> None:
        """A heartbeat; between two frames there is nothing to name."""
        if (holding := self.held.get(cookie)) is not None:
            await beat(self.pool, cookie, holding)
            self.times.note("heartbeat", moment)


def measure(options: argparse.Namespace) -> list[Row]:
    """Fill, serve, let them ask."""
    machines, tiles, projects = options.machines, TILES, PROJECTS
    seconds, rate = options.seconds, float(options.machines)
    if options.quick:
        machines, tiles, projects, seconds, rate = 500, 3000, 10, 2.0, 10_000.0
    with new_farm(options.engine) as farm:
        started = time.perf_counter()
        added = add_projects(projects, tiles // projects, archive_bytes=ARCHIVE_BYTES, size=SIDE)
        scenes = {project.pk: project.archive.md5 for project in added if project.archive}
        held = hand_out(add_sessions(machines))
        note(f"{options.engine}: filled in {time.perf_counter() - started:.0f} s")
        with farm.served() as served:
            crowd = Crowd(Pool(served.address, fresh=options.connections == "fresh"), held, scenes)
            gc.freeze()  # the collector would look through all of these again and again
            asyncio.run(_ask_for(crowd, 2.0, rate))  # the first requests of a process cost more
            crowd.times, own = Times(), time.process_time()
            before, started = served.cpu(), time.perf_counter()
            asyncio.run(_ask_for(crowd, seconds, rate))
            took, used = time.perf_counter() - started, served.cpu().since(before)
            note(f"{options.engine}: the machines themselves took {(time.process_time() - own) / took:.2f} cores")
        return [_row_of_costs(options.engine, used, took), *_rows_of_times(options.engine, crowd.times, took)]


async def _ask_for(crowd: Crowd, seconds: float, machines: float) -> None:
    """The two kinds of things that machines do on their own, each at its rate."""
    everybody = list(crowd.held)
    random.Random(seconds).shuffle(everybody)
    beating, rendering = itertools.cycle(reversed(everybody)), iter(everybody)  # a machine does one thing at a time
    numbers = itertools.count(time.time_ns())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            open_loop(lambda moment: crowd.give_sign(next(beating), moment), machines / BEAT_SECONDS, seconds, seed=1)
        )
        tasks.create_task(
            open_loop(
                lambda moment: crowd.finish_frame(next(rendering), next(numbers), moment),
                machines / FRAME_SECONDS,
                seconds,
                seed=2,
            )
        )
    crowd.pool.close()


def _row_of_costs(engine: str, used: Cpu, took: float) -> Row:
    return {
        "engine": engine,
        "web cores": used.web / took,
        "background cores": used.background / took,
        "database cores": used.database / took,
        "together": (used.web + used.background + used.database) / took,
        "decode cores": used.decode / took,
    }


def _rows_of_times(engine: str, times: Times, took: float) -> list[Row]:
    return [
        {
            "engine": engine,
            "request": kind,
            "a second": len(values) / took,
            "p50 ms": quantile(values, 0.5) * 1000,
            "p99 ms": quantile(values, 0.99) * 1000,
            "worst ms": max(values) * 1000,
        }
        for kind, values in sorted(times.by_kind.items())
    ]


if __name__ == "__main__":
    main()
