"""Claims and completions a second, by number of tiles, on SQLite and PostgreSQL.

    ./sheepfold bench claims [--postgresql URL] [--sizes 1000,50000,1000000] [--machines 64] [--seconds 8]

64 machines each ask for a tile, complete it and ask again, all through the group commit of one process, as the
node API does; HTTP and the image are left out. For each size a fresh database is filled with that many waiting tiles
in 20 projects. The CPU is this process's and, for PostgreSQL, that of its server processes on this machine.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECTS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. CPU in milliseconds for one claim and its completion."""

    engine: str
    tiles: int
    machines: int
    rounds: int
    per_second: float
    cpu_ms: float
    p99_ms: float


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    arguments = _arguments()
    if arguments.size:
        print(json.dumps(asdict(measure(arguments.size, arguments.machines, arguments.seconds, arguments.postgresql))))
        return
    figures = [
        _in_a_process(size, arguments, url)
        for url in filter(None, ["sqlite", arguments.postgresql])
        for size in map(int, arguments.sizes.split(","))
    ]
    _print_table(figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", default="", help="URL of an empty database that may be filled and emptied")
    parser.add_argument("--sizes", default="1000,50000,1000000")
    parser.add_argument("--machines", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--size", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_a_process(size: int, arguments: argparse.Namespace, url: str) -> Figure:
    folder = tempfile.mkdtemp(prefix="bench-claims-")
    database = "" if url == "sqlite" else url
    environment = {**os.environ, "SHEEPFOLD_DATA_DIR": folder, "SHEEPFOLD_DATABASE_URL": database}
    command = [sys.executable, __file__, "--size", str(size), "--machines", str(arguments.machines)]
    command += ["--seconds", str(arguments.seconds), "--postgresql", database]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"measuring {size} tiles failed:\n{error.stderr}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Figure(**json.loads(done.stdout.splitlines()[-1]))


def measure(tiles: int, machines: int, seconds: float, postgresql: str) -> Figure:
    """Fill a database, let the machines work, and count."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "sheepfold.server.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("flush", verbosity=0, interactive=False)
    tokens = _fill(tiles, machines)
    from sheepfold.server.core.group_commit import GroupCommit
    from sheepfold.server.pipeline.work import WorkDesk

    commits, desk = GroupCommit(), WorkDesk()
    commits.start()
    before, started = _cpu_seconds(postgresql), time.perf_counter()
    waits = _let_them_work(commits, desk, tokens, seconds, enough=tiles * 9 // 10)
    took, cpu = time.perf_counter() - started, _cpu_seconds(postgresql) - before
    commits.stop()
    _check(len(waits))
    return Figure(
        engine="PostgreSQL" if postgresql else "SQLite",
        tiles=tiles,
        machines=machines,
        rounds=len(waits),
        per_second=len(waits) / took,
        cpu_ms=cpu / len(waits) * 1000,
        p99_ms=sorted(waits)[int(len(waits) * 0.99)] * 1000,
    )


_FILL_TILES = """
INSERT INTO frames_tile (project_id, frame, part, parts, rank, status, failures, changed_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
SELECT %s, n, 0, 1, n, 0, 0, %s FROM numbers
"""


def _fill(tiles: int, machines: int) -> list[str]:
    """Projects with tiles, and sessions; the hashes of their tokens."""
    from django.db import connection

    from sheepfold.server.accounts.models import User
    from sheepfold.server.core.clock import now
    from sheepfold.server.core.models import Blob
    from sheepfold.server.machines.actions import MachineFacts, SessionTerms, open_session, register_machine
    from sheepfold.server.projects.models import FIRST_PROJECT_ID, Project, ProjectStatus
    from sheepfold.server.renderers.models import Renderer, RendererArchive

    moment = now()
    blob = Blob.objects.create(sha256="a" * 64, md5="b" * 32, size=1)
    renderer = Renderer.objects.create(version="4.2.1")
    RendererArchive.objects.create(renderer=renderer, os="linux", bits=64, blob=blob, source="bench")
    for number in range(PROJECTS):
        project = Project.objects.create(
            id=FIRST_PROJECT_ID + number,  # the flush above forgot where ids begin
            owner=User.objects.create(username=f"owner{number}"),
            name=f"project {number}",
            status=ProjectStatus.RENDERING,
            claimable=True,
            renderer=renderer,
            archive=blob,
            blend_path="scene.blend",
        )
        with connection.cursor() as cursor:
            stored_moment = connection.ops.adapt_datetimefield_value(moment)
            cursor.execute(_FILL_TILES, [tiles // PROJECTS, project.pk, stored_moment])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    hashes = []
    for number in range(machines):
        facts = MachineFacts(f"m{number}", f"m{number}", "linux", 64, "a processor", 8, 16 << 20, "bench")
        user = User.objects.create(username=f"user{number}")
        machine = register_machine(user=user, facts=facts, now=moment)
        terms = SessionTerms("sheepfold", "1", 1, 3600, 4)
        hashes.append(open_session(machine=machine, key=None, terms=terms, now=moment)[0].token_hash)
    return hashes


def _let_them_work(commits: object, desk: object, tokens: list[str], seconds: float, enough: int) -> list[float]:
    """Every machine claims and completes in turn until the time is over; seconds that each claim waited."""
    import asyncio

    from sheepfold.protocol.messages import FrameUpload, WorkRequest
    from sheepfold.server.core.storage import BlobRef
    from sheepfold.server.pipeline.uploads import Received, look_up, settle
    from sheepfold.server.pipeline.work import WorkQuery
    from sheepfold.server.results.actions import KeptImage
    from sheepfold.server.results.checks import ImageFacts

    waits: list[float] = []
    image = KeptImage(
        ImageFacts("PNG", 64, 36, constant=False, thumbnail=b""),
        BlobRef("c" * 64, "d" * 32, 1, "image/png"),
        BlobRef("e" * 64, "f" * 32, 1, "image/webp"),
    )

    async def work(token: str) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and len(waits) < enough:
            asked = time.perf_counter()
            reply = await commits.run(desk.serve_work, WorkQuery(token, WorkRequest(open_tokens=())))  # type: ignore[attr-defined]
            waits.append(time.perf_counter() - asked)
            job = reply.job
            found = await commits.run(look_up, FrameUpload(job.id, job.frame, job.extras, 1.0))  # type: ignore[attr-defined]
            await commits.run(settle, Received(found, image))  # type: ignore[attr-defined]

    async def everybody() -> None:
        await asyncio.gather(*(work(token) for token in tokens))

    asyncio.run(everybody())
    return waits


def _check(rounds: int) -> None:
    """What was counted must be in the database, or the figures are worth nothing."""
    from sheepfold.server.frames.models import Tile, TileStatus
    from sheepfold.server.results.models import PointsEntry, Result

    found = (
        Tile.objects.filter(status=TileStatus.DONE).count(),
        Result.objects.count(),
        PointsEntry.objects.count() // 2,
    )
    if found != (rounds, rounds, rounds):
        sys.exit(f"{rounds} claims were completed, but tiles, results and points are {found}")


def _cpu_seconds(postgresql: str) -> float:
    """CPU time of this process, and of PostgreSQL's where it is used."""
    import psutil

    own = time.process_time()
    if not postgresql:
        return own
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = cursor.fetchone()[0]
    postmaster = psutil.Process(int(Path(folder, "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children()]
    return own + sum(sum(process.cpu_times()[:2]) for process in family)


def _print_table(figures: list[Figure]) -> None:
    print("| engine | tiles | machines | claim + completion / s | CPU ms each | growth | p99 of a claim, ms |")
    print("|---|---|---|---|---|---|---|")
    smallest = {figure.engine: figure for figure in reversed(figures)}
    for figure in figures:
        growth = figure.cpu_ms / smallest[figure.engine].cpu_ms
        print(
            f"| {figure.engine} | {figure.tiles:,} | {figure.machines} | {figure.per_second:,.0f} "
            f"| {figure.cpu_ms:.2f} | {growth:.2f}x | {figure.p99_ms:.0f} |"
        )


if __name__ == "__main__":
    main()
