"""Claims and completions a second, by number of tiles, on SQLite and PostgreSQL.

    ./sheepfold bench claims [--postgresql URL] [--sizes 1000,50000,2000000] [--machines 64,512] [--finished 0]

The machines each ask for a tile, complete it and ask again, all through the group commit of one process, as the
node API does; HTTP and the image are left out. For each size a fresh database is filled with that many waiting tiles
in 20 projects, and with as many finished ones of old projects, with their leases and results, as --finished says. After
900 tiles, nine tenths of the smallest size, all wait again, outside of the time that counts: so every size is measured
with the same number of results besides. The CPU is this process's and, for PostgreSQL, that of its server processes on
this machine.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

PROJECTS = 20
SEASON = 900  # tiles that are done before all wait again
WAITING, DONE = 0, 2  # of frames.models.TileStatus


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. CPU in milliseconds for one claim and its completion."""

    engine: str
    tiles: int
    finished: int
    machines: int
    rounds: int
    per_second: float
    cpu_ms: float
    p99_ms: float


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    arguments = _arguments()
    if arguments.size:
        print(json.dumps(asdict(measure(_case_of(arguments)))))
        return
    figures = [
        _in_a_process(Case(url, size, arguments.finished, machines, arguments.seconds))
        for url in filter(None, ["sqlite", arguments.postgresql])
        for machines in map(int, arguments.machines.split(","))
        for size in map(int, arguments.sizes.split(","))
    ]
    _print_table(figures)


@dataclass(frozen=True, slots=True)
class Case:
    """What one process measures. `url`: a database, or `sqlite`."""

    url: str
    size: int
    finished: int
    machines: int
    seconds: float


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgresql", default="", help="URL of an empty database that may be filled and emptied")
    parser.add_argument("--sizes", default="1000,50000,2000000", help="waiting tiles")
    parser.add_argument("--finished", type=int, default=0, help="finished tiles of old projects besides")
    parser.add_argument("--machines", default="64", help="how many ask at once")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--size", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _case_of(arguments: argparse.Namespace) -> Case:
    machines = int(arguments.machines)
    return Case(arguments.postgresql or "sqlite", arguments.size, arguments.finished, machines, arguments.seconds)


def _in_a_process(case: Case) -> Figure:
    folder = tempfile.mkdtemp(prefix="bench-claims-")
    database = "" if case.url == "sqlite" else case.url
    environment = {**os.environ, "SHEEPFOLD_DATA_DIR": folder, "SHEEPFOLD_DATABASE_URL": database}
    command = [sys.executable, __file__, "--size", str(case.size), "--machines", str(case.machines)]
    command += ["--seconds", str(case.seconds), "--finished", str(case.finished), "--postgresql", database]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"measuring {case.size} tiles failed:\n{error.stderr}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Figure(**json.loads(done.stdout.splitlines()[-1]))


def measure(case: Case) -> Figure:
    """Fill a database, let the machines work, and count."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "sheepfold.server.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    call_command("flush", verbosity=0, interactive=False)
    tokens = _fill(case.size, case.machines)
    _fill_old(case.finished)
    _let_them_work(tokens, case, seconds=1)  # caches, plans and pages are warm from here on
    _empty(case)
    waits, took, cpu = _work_for_a_while(tokens, case)
    return Figure(
        engine="SQLite" if case.url == "sqlite" else "PostgreSQL",
        tiles=case.size,
        finished=case.finished,
        machines=case.machines,
        rounds=len(waits),
        per_second=len(waits) / took,
        cpu_ms=cpu / len(waits) * 1000,
        p99_ms=sorted(waits)[int(len(waits) * 0.99)] * 1000,
    )


def _work_for_a_while(tokens: list[str], case: Case) -> tuple[list[float], float, float]:
    """What each claim waited, the seconds that all took, and their CPU seconds."""
    waits: list[float] = []
    took = cpu = 0.0
    while took < case.seconds:
        before, started = _cpu_seconds(case.url), time.perf_counter()
        season = _let_them_work(tokens, case, case.seconds - took)
        took += time.perf_counter() - started
        cpu += _cpu_seconds(case.url) - before
        waits += season
        _check(len(season), case)
        _empty(case)
    return waits, took, cpu


_FILL_TILES = """
INSERT INTO frames_tile (project_id, frame, part, parts, rank, status, failures, changed_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
SELECT %s, n, 0, 1, n, %s, 0, %s FROM numbers
"""
_FILL_RESULTS = """
INSERT INTO results_result (tile_id, project_id, lease_token, machine_id, blob_id, thumbnail_id, verdict, constant,
    width, height, format, size, rendertime, memory_kib, created_at)
SELECT id, project_id, 'old' || id, 1, %s, %s, 'accepted', false, 64, 36, 'PNG', 1, 1, 0, changed_at
FROM frames_tile WHERE status = 2
"""
_FILL_LEASES = """
INSERT INTO dispatch_lease (token, tile_id, session_id, project_id, machine_id, frame, started_at, expires_at,
    rendertime, remainingtime, begun, resent, "end", ended_at)
SELECT 'old' || id, id, %s, project_id, 1, frame, changed_at, changed_at, 0, 0, true, 0, 'accepted', changed_at
FROM frames_tile WHERE status = 2
"""
BLOB = "a" * 64


def _fill(tiles: int, machines: int) -> list[str]:
    """Projects with tiles, and sessions; the hashes of their tokens."""
    from sheepfold.server.accounts.models import User
    from sheepfold.server.core.clock import now
    from sheepfold.server.core.models import Blob
    from sheepfold.server.machines.actions import MachineFacts, SessionTerms, open_session, register_machine
    from sheepfold.server.projects.models import FIRST_PROJECT_ID, Project, ProjectStatus
    from sheepfold.server.renderers.models import Renderer, RendererArchive

    moment = now()
    blob = Blob.objects.create(sha256=BLOB, md5="b" * 32, size=1)
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
        _run(_FILL_TILES, tiles // PROJECTS, project.pk, WAITING, moment)
    hashes = []
    for number in range(machines):
        facts = MachineFacts(f"m{number}", f"m{number}", "linux", 64, "a processor", 8, 16 << 20, "bench")
        user = User.objects.create(username=f"user{number}")
        machine = register_machine(user=user, facts=facts, now=moment)
        terms = SessionTerms("sheepfold", "1", 1, 3600, 4)
        hashes.append(open_session(machine=machine, key=None, terms=terms, now=moment)[0].token_hash)
    _run("ANALYZE")
    return hashes


def _fill_old(tiles: int) -> None:
    """Finished projects of earlier years."""
    from sheepfold.server.core.clock import now
    from sheepfold.server.machines.models import Session
    from sheepfold.server.projects.models import FIRST_PROJECT_ID, Project, ProjectStatus

    if not tiles:
        return
    for number in range(PROJECTS):
        old = Project.objects.get(pk=FIRST_PROJECT_ID + number)
        old.pk, old.claimable, old.status = old.pk + PROJECTS, False, ProjectStatus.FINISHED
        old.save(force_insert=True)
        _run(_FILL_TILES, tiles // PROJECTS, old.pk, DONE, now())
    _run(_FILL_LEASES, Session.objects.order_by("id").values_list("id", flat=True)[0])
    _run(_FILL_RESULTS, BLOB, BLOB)
    _run("ANALYZE")


def _empty(case: Case) -> None:
    """All tiles of the open projects wait again, as if nothing had happened."""
    from sheepfold.server.projects.models import FIRST_PROJECT_ID

    last = FIRST_PROJECT_ID + PROJECTS - 1
    _run("DELETE FROM results_pointsentry")
    _run("DELETE FROM core_event")
    for table in ("results_result", "dispatch_lease"):
        _run(f"DELETE FROM {table} WHERE project_id <= %s", last)
    _run("UPDATE frames_tile SET status = 0 WHERE status <> 0 AND project_id <= %s", last)
    _run("UPDATE projects_project SET claimable = true, status = 'rendering' WHERE id <= %s", last)


def _run(statement: str, *parameters: object) -> None:
    from django.db import connection

    values = [connection.ops.adapt_datetimefield_value(one) if isinstance(one, datetime) else one for one in parameters]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _let_them_work(tokens: list[str], case: Case, seconds: float) -> list[float]:
    """Every machine claims and completes in turn until time or tiles are over; seconds that each claim waited."""
    import asyncio

    from sheepfold.protocol.messages import FrameUpload, WorkRequest
    from sheepfold.server.core.group_commit import GroupCommit
    from sheepfold.server.core.storage import BlobRef
    from sheepfold.server.pipeline.uploads import Received, look_up, settle
    from sheepfold.server.pipeline.work import WorkDesk, WorkQuery
    from sheepfold.server.results.actions import KeptImage
    from sheepfold.server.results.checks import ImageFacts

    waits: list[float] = []
    enough = min(case.size * 9 // 10, SEASON)
    commits, desk = GroupCommit(), WorkDesk()
    image = KeptImage(
        ImageFacts("PNG", 64, 36, constant=False, thumbnail=b""),
        BlobRef("c" * 64, "d" * 32, 1, "image/png"),
        BlobRef("e" * 64, "f" * 32, 1, "image/webp"),
    )

    async def work(token: str) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and len(waits) < enough:
            asked = time.perf_counter()
            reply = await commits.run(desk.serve_work, WorkQuery(token, WorkRequest(open_tokens=())))
            job = reply.job
            if job is None:  # the last tiles are in other hands
                break
            waits.append(time.perf_counter() - asked)
            found = await commits.run(look_up, FrameUpload(job.id, job.frame, job.extras, 1.0))
            await commits.run(settle, Received(found, image))

    async def everybody() -> None:
        await asyncio.gather(*(work(token) for token in tokens))

    commits.start()
    asyncio.run(everybody())
    commits.stop()
    return waits


def _check(rounds: int, case: Case) -> None:
    """What was counted must be in the database, or the figures are worth nothing."""
    from sheepfold.server.frames.models import Tile, TileStatus
    from sheepfold.server.results.models import PointsEntry, Result

    found = (
        Tile.objects.filter(status=TileStatus.DONE).count() - case.finished,
        Result.objects.count() - case.finished,
        PointsEntry.objects.count() // 2,
    )
    if found != (rounds, rounds, rounds):
        sys.exit(f"{rounds} claims were completed, but tiles, results and points are {found}")


def _cpu_seconds(url: str) -> float:
    """CPU time of this process, and of PostgreSQL's where it is used."""
    import psutil

    own = time.process_time()
    if url == "sqlite":
        return own
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = cursor.fetchone()[0]
    postmaster = psutil.Process(int(Path(folder, "postmaster.pid").read_text().split()[0]))
    return own + sum(postmaster.cpu_times()[:4]) + sum(map(_cpu_of, postmaster.children()))  # those that ended, too


def _cpu_of(process: "psutil.Process") -> float:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):  # a vacuum worker that has just ended: its parent counts it now
        return float(sum(process.cpu_times()[:2]))
    return 0.0


def _print_table(figures: list[Figure]) -> None:
    print(
        "| engine | machines | tiles | finished | claim + completion / s | CPU ms each | growth | p99 of claims, ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    smallest = {(figure.engine, figure.machines): figure for figure in reversed(figures)}
    for figure in figures:
        growth = figure.cpu_ms / smallest[figure.engine, figure.machines].cpu_ms
        print(
            f"| {figure.engine} | {figure.machines} | {figure.tiles:,} | {figure.finished:,} "
            f"| {figure.per_second:,.0f} | {figure.cpu_ms:.2f} | {growth:.2f}x | {figure.p99_ms:.0f} |"
        )


if __name__ == "__main__":
    main()
