"""A farm for the simulator: filled with projects that hold no real scene, and read again at the end.

Nothing of the server may be imported before `start_django` has run.
"""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sheepfold.commands.errors import CommandError
from sheepfold.environment.parent import SUPERVISED
from sheepfold.simulator.ledger import FarmBooks, Payment, Tile, TileEnd
from sheepfold.simulator.machine import Account, Task
from sheepfold.simulator.pictures import picture

if TYPE_CHECKING:
    from sheepfold.server.core.models import Blob
    from sheepfold.server.results.models import Verdict

WIDTH, HEIGHT = 64, 36
OWNERS = 3  # of the projects, one each; the machines belong to somebody else
LOGIN = "crowd"
START_SECONDS = 60.0
GREETING = re.compile(r"^Sheepfold is at (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FilledFarm:
    """Whose the machines are, and what they are to render."""

    accounts: tuple[Account, ...]
    task: Task


def fill(tiles: int, *, poisoned: int, lenders: int = 1) -> FilledFarm:
    """Projects with so many tiles in all, some of them poisoned. Raises CommandError for a farm that somebody uses."""
    from django.db import transaction

    from sheepfold.server.accounts.models import User

    if User.objects.exists():
        raise CommandError("this farm has people; the simulator needs an empty one: name a new --data-dir")
    with transaction.atomic():
        accounts = tuple(_lender(f"{LOGIN}{number or ''}") for number in range(lenders))
        jobs = [_start_project(f"owner{number}", tiles // OWNERS) for number in range(OWNERS)]
    return FilledFarm(accounts, Task(WIDTH, HEIGHT, frozenset(jobs[OWNERS - poisoned :])))


def _lender(name: str) -> Account:
    from sheepfold.server.accounts.actions import create_render_key, create_user

    _, secret = create_render_key(user=create_user(username=name, password=None), name="simulated machines")
    return Account(name, secret)


def _start_project(owner: str, tiles: int) -> int:
    from sheepfold.server.accounts.actions import create_user
    from sheepfold.server.core.clock import now
    from sheepfold.server.pipeline.steps import start_project
    from sheepfold.server.projects.models import Project, ProjectStatus
    from sheepfold.server.renderers.models import Renderer, RendererArchive

    renderer, is_new = Renderer.objects.get_or_create(version="0.0.0")
    if is_new:
        RendererArchive.objects.create(renderer=renderer, os="linux", bits=64, blob=_keep(b"renderer"), source="none")
    project = Project.objects.create(
        owner=create_user(username=owner, password=None),
        name=f"project of {owner}",
        status=ProjectStatus.READY,
        renderer=renderer,
        archive=_keep(f"scene of {owner}".encode()),
        blend_path="scene.blend",
        frames=f"1-{tiles}",
        width=WIDTH,
        height=HEIGHT,
    )
    start_project(project_id=project.pk, now=now())
    return project.pk


def _keep(content: bytes) -> "Blob":
    from sheepfold.server.core.actions import record_blob
    from sheepfold.server.core.storage import store

    return record_blob(ref=store().keep_bytes(content, "application/zip"))


def is_done() -> bool:
    """Whether no tile needs a machine any more."""
    from sheepfold.server.frames.models import Tile as TileRow
    from sheepfold.server.frames.models import TileStatus

    return not TileRow.objects.filter(status__in=(TileStatus.WAITING, TileStatus.RENDERING)).exists()


def open_leases() -> int:
    """Leases that have not ended."""
    from sheepfold.server.dispatch.models import Lease, LeaseEnd

    return Lease.objects.filter(end=LeaseEnd.OPEN).count()


def is_done_and_verified() -> bool:
    """Whether moreover all frames were looked at and nothing is rendered again any more, if the farm verifies."""
    from sheepfold.server.core.config import Verify, config
    from sheepfold.server.pipeline.sampling import seen_to
    from sheepfold.server.results.models import UNSETTLED, Result, Verdict, Verification

    if config().verify is Verify.OFF or not is_done():
        return is_done()
    newest = Result.objects.filter(verdict=Verdict.ACCEPTED).order_by("-id").values_list("id", flat=True).first() or 0
    return newest <= (seen_to() or 0) and not Verification.objects.filter(status__in=UNSETTLED).exists()


def read_books() -> FarmBooks:
    """What the farm's own rows say."""
    from sheepfold.server.core.integrity import find_damage
    from sheepfold.server.frames.models import Tile as TileRow
    from sheepfold.server.frames.models import TileStatus
    from sheepfold.server.results.models import Verdict

    ends = {TileStatus.DONE: TileEnd.DONE, TileStatus.FAILED: TileEnd.FAILED}
    rows = TileRow.objects.values_list("project_id", "frame", "status")
    return FarmBooks(
        ends={Tile(job, frame): ends.get(TileStatus(status), TileEnd.OPEN) for job, frame, status in rows},
        payments=_payments(Verdict.ACCEPTED, Verdict.REPLACED),
        verifying=_payments(Verdict.VERIFYING),
        refuted=_payments(Verdict.REFUTED),
        wrong=_wrong_pictures(),
        disabled=_disabled_machines(),
        open_leases=open_leases(),
        lost_files=len(list(find_damage(read=True))),
    )


def _payments(*verdicts: "Verdict") -> dict[Tile, tuple[Payment, ...]]:
    from sheepfold.server.results.models import PointsKind, Result

    found: dict[Tile, tuple[Payment, ...]] = {}
    earning, spending = (PointsKind.RENDERED, PointsKind.TAKEN_BACK), (PointsKind.SPENT, PointsKind.REFUNDED)
    for result in Result.objects.filter(verdict__in=verdicts).select_related("tile").prefetch_related("points"):
        tile = Tile(result.project_id, result.tile.frame)
        points = list(result.points.all())
        earned = sum(entry.millipoints for entry in points if entry.kind in earning)
        spent = sum(entry.millipoints for entry in points if entry.kind in spending)
        found[tile] = (*found.get(tile, ()), Payment(earned, spent))
    return found


def _wrong_pictures() -> dict[Tile, int]:
    """Those of which the machine that sent it has no agreed one after it, with the number of that machine."""
    from sheepfold.server.machines.models import Machine
    from sheepfold.server.results.models import Result, Verdict, Vote

    numbers = {pk: _number(name) for pk, name in Machine.objects.values_list("id", "name")}
    rows = Result.objects.filter(verdict=Verdict.ACCEPTED).values_list(
        "id", "project_id", "tile__frame", "blob_id", "machine_id"
    )
    return {
        Tile(job, frame): numbers[machine_id]
        for number, job, frame, blob, machine_id in rows
        if hashlib.sha256(picture(job, frame, WIDTH, HEIGHT)).hexdigest() != blob
        and not Vote.objects.filter(machine_id=machine_id, agreed=True, result__gt=number).exists()
    }


def _disabled_machines() -> frozenset[int]:
    from sheepfold.server.machines.models import Machine

    return frozenset(map(_number, Machine.objects.exclude(disabled_reason="").values_list("name", flat=True)))


def _number(machine: str) -> int:
    """Of a simulated machine, by its name."""
    return int(machine.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class ServingFarm:
    """A running `sheepfold serve`."""

    url: str
    process: "subprocess.Popen[bytes]"

    def kill_servers(self) -> None:
        """`kill -9` of everything that it runs; it starts all of it again."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            child.kill()


@contextmanager
def serve(data_dir: Path, log: Path) -> Iterator[ServingFarm]:
    """A server on a free port, ended with the body. Settings are inherited."""
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(data_dir)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sheepfold", SUPERVISED, *arguments],
            env=os.environ,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the simulator alone
        )
    try:
        yield ServingFarm(_await_url(process, log), process)
    finally:
        process.terminate()
        process.wait()


def _await_url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address, as it says itself; requests wait in its socket until the server is there."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if (found := GREETING.search(log.read_text(errors="replace"))) is not None:
            return found[1]
        time.sleep(0.1)
    raise CommandError(f"the server does not start; its log is {log}")
