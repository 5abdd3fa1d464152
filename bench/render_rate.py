"""Frames an hour of one machine, rendered in four ways: how much of Blender's own speed reaches the farm.

Usage: python bench/render_rate.py [--repeat 2] [--scene tiny --scene trivial --scene light --scene heavy] [--json FILE]

- limit: `blender -a`, one process for all frames: who does not keep data cannot be faster
- client: `sheepfold client` as it comes (cage, living Blender, kept data), at a farm that lets it ask ahead
- plain: the same at a farm that gives a machine one frame at a time, as SheepIt does
- fresh: the same with a new Blender for each frame and no cage, as clients of the field do
- chunks: `blender -s … -e … -a` for six frames at a time, as farms do that hand out chunks

The farm is a process of its own on this machine, so its CPU is part of the figures. `tiny` has frames of 10 ms: what it
loses is what the client takes for a frame; `trivial` has frames of a quarter of a second.

All ways take turns within one run, so that a slow minute of the machine meets each of them. Starting and ending is
part of each measurement, so short scenes get more frames; a new Blender for each frame costs the same for each, so
twelve frames are enough there.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import click
from support.scenes import make_scene

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "client"))  # the plain farm that the tests use

from packing import zip_of  # noqa: E402
from seed_server import SeedJob, SeedServer  # noqa: E402

from sheepfold.client.config import Settings, write_key  # noqa: E402
from sheepfold.client.events import Event, Message  # noqa: E402
from sheepfold.client.worker import run  # noqa: E402
from sheepfold.protocol.extras import Extras, format_extras  # noqa: E402

CHUNK = 6
FRAMES = {"tiny": 480, "trivial": 72, "light": 36, "heavy": 24}
SCRIPTS = {"tiny": ("trivial", 1), "trivial": ("trivial", 4), "light": ("light",), "heavy": ("heavy",)}
ASK_AHEAD = format_extras(Extras())
FRAMES_OF_FRESH = 12
LAUNCHER = b'#!/bin/sh\nexec blender "$@"\n'
WORDS = ["blender", "--factory-startup", "--disable-autoexec", "-b"]


@dataclass(frozen=True)
class Rate:
    """One way of rendering one scene: seconds a frame, over all repetitions."""

    scene: str
    way: str
    seconds: float
    share: float  # of `blender -a`
    runs: list[float]


def build(name: str, frames: int, folder: Path) -> Path:
    """The scene that a name stands for."""
    script, *size = SCRIPTS[name]
    return make_scene(script, folder / f"{name}.blend", frames, *size)


def all_in_one(scene: Path, frames: int, folder: Path) -> None:
    """`blender -a`."""
    blender(scene, folder, ["-a"])


def in_chunks(scene: Path, frames: int, folder: Path) -> None:
    """`blender -s … -e … -a` for each six frames."""
    for first in range(1, frames + 1, CHUNK):
        blender(scene, folder, ["-s", str(first), "-e", str(min(first + CHUNK - 1, frames)), "-a"])


def blender(scene: Path, folder: Path, words: list[str]) -> None:
    command = [*WORDS, str(scene), "-o", f"{folder}/frame_", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=3600)


def by_client(scene: Path, frames: int, folder: Path) -> None:
    """Sheepfold's client as it comes, at a farm of its kind."""
    at_a_farm(scene, frames, folder, ASK_AHEAD, living=True, cage="auto")


def at_plain_farm(scene: Path, frames: int, folder: Path) -> None:
    """The same where the next frame is asked for when the last one has arrived."""
    at_a_farm(scene, frames, folder, None, living=True, cage="auto")


def by_fresh_processes(scene: Path, frames: int, folder: Path) -> None:
    """What clients of the field do."""
    at_a_farm(scene, frames, folder, None, living=False, cage="none")


def at_a_farm(scene: Path, frames: int, folder: Path, extras: str | None, **settings: object) -> None:
    key = folder / "key"
    write_key(key, "secret")
    archive, renderer = zip_of({scene.name: scene.read_bytes()}), zip_of({"rend.exe": LAUNCHER})
    jobs = [SeedJob(42, frame, scene.name, archive, renderer) for frame in range(1, frames + 1)]
    with farm_beside(jobs, extras) as (url, other):
        run(
            Settings(
                server=url,
                login="bench",
                key_file=key,
                cache_dir=folder / "cache",
                max_frames=frames,
                priority=0,
                **settings,
            ),
            show,
        )
        other.send("end")
        delivered = other.recv()
    if delivered != frames:
        sys.exit(f"only {delivered} of {frames} frames came")


@contextmanager
def farm_beside(jobs: list[SeedJob], extras: str | None) -> Iterator[tuple[str, Connection]]:
    """A farm in a process of its own: its address, and where it says how many frames came when told to end."""
    ours, theirs = get_context("fork").Pipe()
    farm = get_context("fork").Process(target=serve, args=(jobs, extras, theirs))
    farm.start()
    try:
        yield ours.recv(), ours
    finally:
        farm.join(10)
        farm.kill()


def serve(jobs: list[SeedJob], extras: str | None, other: Connection) -> None:
    with SeedServer(jobs, extras=extras) as farm:
        other.send(farm.url)
        other.recv()
        other.send(len(farm.of("upload")))


def show(event: Event) -> None:
    """What the client decides about a scene belongs into the record."""
    if isinstance(event, Message):
        click.echo(f"    {event.text}", err=True)


WAYS: dict[str, Callable[[Path, int, Path], None]] = {
    "limit": all_in_one,
    "client": by_client,
    "plain": at_plain_farm,
    "fresh": by_fresh_processes,
    "chunks": in_chunks,
}


def measure(scene: Path, repeat: int) -> list[Rate]:
    """All ways in turn, `repeat` times."""
    runs: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(repeat):
        for way, render in WAYS.items():
            frames = FRAMES_OF_FRESH if way == "fresh" else FRAMES[scene.stem]
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                render(scene, frames, Path(folder))
                runs[way].append((time.perf_counter() - started) / frames)
            click.echo(f"  {scene.stem} {turn + 1}/{repeat} {way}: {runs[way][-1]:.3f} s a frame", err=True)
    limit = median(runs["limit"])
    return [Rate(scene.stem, way, median(times), limit / median(times), times) for way, times in runs.items()]


def table(rates: list[Rate]) -> str:
    """The figures as a Markdown table."""
    lines = ["| scene | way | seconds a frame | frames an hour | of `blender -a` |", "|---|---|---|---|---|"]
    lines += [
        f"| {rate.scene} | {rate.way} | {rate.seconds:.3f} | {3600 / rate.seconds:.0f} | {rate.share:.2f} |"
        for rate in rates
    ]
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--repeat", default=2)
@click.option("--scene", "scenes", multiple=True, default=("tiny", "trivial", "light", "heavy"))
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(repeat: int, scenes: tuple[str, ...], json_file: Path | None) -> None:
    rates: list[Rate] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in scenes:
            rates += measure(build(name, FRAMES[name], Path(folder)), repeat)
    click.echo(table(rates))
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(rate) for rate in rates], indent=1))


if __name__ == "__main__":
    main()
