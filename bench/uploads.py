"""Uploads of frames with decoding: a PNG of 300 KB and an EXR of 20 MB.

    ./sheepfold bench uploads [--engine sqlite]

Machines send the frames of tiles that they hold, several at once, over HTTP; each file differs from the others by the
bytes at its end. CPU by kind of process: `web` answers and writes the files, `decode` are the processes that decode,
`database` is PostgreSQL. `bare decode` is what the same decoding costs in a loop with nothing around it; `whole / bare`
compares all CPU of an upload with it.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.farm import Cpu, Holding, Served, add_projects, add_sessions, hand_out, new_farm
from support.machine import send
from support.pictures import EXR_SIZE, PNG_SIZE, make_exr, make_png
from support.program import Row, engine_parser, quantile, run_on_each
from support.wire import Pool, Times

WARM = 4  # uploads before the measurement: they start the processes that decode


@dataclass(frozen=True, slots=True)
class Kind:
    """An image, how many of it are sent, and how many at once."""

    name: str
    make: Callable[[Path], None]
    size: tuple[int, int]
    count: int
    at_once: int


KINDS = (Kind("frame.png", make_png, PNG_SIZE, 800, 8), Kind("frame.exr", make_exr, EXR_SIZE, 24, 4))


def main() -> None:
    """Measure and print."""
    run_on_each(__file__, engine_parser(__doc__).parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Each kind of image at a farm of its own projects."""
    counts = {kind.name: 4 if options.quick else kind.count for kind in KINDS}
    with new_farm(options.engine) as farm:
        add_projects(1, WARM * len(KINDS) + sum(counts.values()))
        members = add_sessions(WARM * len(KINDS) + sum(counts.values()))
        held = list(hand_out(members).items())
        with farm.served() as served:
            return [_row(options.engine, kind, served, held, counts[kind.name]) for kind in KINDS]


def _row(engine: str, kind: Kind, served: Served, held: list[tuple[str, Holding]], count: int) -> Row:
    path = served.farm.folder / kind.name
    kind.make(path)
    _expect_size(kind.size)
    image, bare = path.read_bytes(), _bare_decode(path, max(3, count // 8))
    asyncio.run(_send_all(served, [held.pop() for _ in range(WARM)], image, kind))
    before, started = served.cpu(), time.perf_counter()
    times = asyncio.run(_send_all(served, [held.pop() for _ in range(count)], image, kind))
    took, used = time.perf_counter() - started, served.cpu().since(before)
    return {
        "engine": engine,
        "image": kind.name,
        "MB": len(image) / 1e6,
        "uploads / s": count / took,
        **_costs(used, count, bare),
        "p50 ms": quantile(times, 0.5) * 1000,
        "p99 ms": quantile(times, 0.99) * 1000,
    }


def _costs(used: Cpu, count: int, bare: float) -> Row:
    whole = (used.web + used.decode + used.database) / count
    return {
        "web ms": used.web / count * 1000,
        "decode ms": used.decode / count * 1000,
        "database ms": used.database / count * 1000,
        "bare decode ms": bare * 1000,
        "whole / bare": whole / bare,
    }


def _expect_size(size: tuple[int, int]) -> None:
    from sheepfold.server.projects.models import Project

    Project.objects.update(width=size[0], height=size[1])


def _bare_decode(path: Path, times: int) -> float:
    """Seconds of CPU of what a decoding process does with the file; the first call, which loads libraries, is free."""
    from sheepfold.server.results.checks import ImageFacts, inspect

    if not isinstance(inspect(path), ImageFacts):
        raise RuntimeError(f"{path} is no image")
    before = time.process_time()
    for _ in range(times):
        inspect(path)
    return (time.process_time() - before) / times


async def _send_all(served: Served, held: list[tuple[str, Holding]], image: bytes, kind: Kind) -> list[float]:
    """Seconds that each answer took."""
    pool, times, left = Pool(served.address), Times(), list(held)

    async def one_after_the_other() -> None:
        while left:
            cookie, holding = left.pop()
            since = time.perf_counter()
            await send(pool, cookie, holding, image + os.urandom(8), kind.name)
            times.note("upload", since)

    await asyncio.gather(*(one_after_the_other() for _ in range(kind.at_once)))
    pool.close()
    return times.by_kind["upload"]


if __name__ == "__main__":
    main()
