"""A farm to measure: an empty one on either database, filled with rows at once, served by real processes.

Nothing of the server may be imported before `new_farm` has begun.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import psutil

from sheepfold.commands.local import start_django
from sheepfold.commands.simulated_farm import serve
from sheepfold.environment.postgres import temporary_postgres

if TYPE_CHECKING:
    from sheepfold.server.core.models import Blob
    from sheepfold.server.projects.models import Project

SIZE = 64  # pixels of each side of a frame
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU by kind of process. `decode`: all that the web process has started, which decodes images."""

    web: float
    decode: float
    background: float
    database: float

    def since(self, before: "Cpu") -> "Cpu":
        """What was used between the two."""
        return Cpu(
            self.web - before.web,
            self.decode - before.decode,
            self.background - before.background,
            self.database - before.database,
        )


@dataclass(frozen=True, slots=True)
class Farm:
    """A folder and a database. `postmaster`: the process of PostgreSQL, if that is the database."""

    engine: str
    folder: Path
    postmaster: psutil.Process | None

    @contextmanager
    def served(self) -> Iterator["Served"]:
        """By `sheepfold serve`: a web and a background process."""
        analyse_database()
        with serve(self.folder, self.folder / "log") as serving:
            _await_ready(serving.url)
            children = psutil.Process(serving.process.pid).children()
            named = {word: child for child in children for word in ("web", "background") if word in child.cmdline()}
            yield Served(self, serving.url, named["web"], named["background"])


@dataclass(frozen=True, slots=True)
class Served:
    """A running farm."""

    farm: Farm
    url: str
    web: psutil.Process
    background: psutil.Process

    @property
    def address(self) -> tuple[str, int]:
        """For sockets."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def cpu(self) -> Cpu:
        """What each part has used since it began."""
        helpers = sum(own_cpu(child) for child in self.web.children(recursive=True))
        postmaster = self.farm.postmaster
        return Cpu(
            web=own_cpu(self.web),
            decode=helpers,
            background=own_cpu(self.background) + sum(own_cpu(one) for one in self.background.children(recursive=True)),
            database=tree_cpu(postmaster) if postmaster else 0.0,
        )


def own_cpu(process: psutil.Process) -> float:
    """Seconds that this process alone has used."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def tree_cpu(process: psutil.Process) -> float:
    """The same with its children, those that have ended included."""
    return sum(process.cpu_times()[:4]) + sum(own_cpu(child) for child in process.children(recursive=True))


@contextmanager
def new_farm(engine: str) -> Iterator[Farm]:
    """Empty, with the shape of this version; gone afterwards. Once in the life of a process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sheepfold-bench-")))
        url = stack.enter_context(temporary_postgres()) if engine == "postgresql" else ""
        os.environ["SHEEPFOLD_DATABASE_URL"] = url
        start_django(folder)
        from sheepfold.server.run import prepare

        prepare()
        stack.callback(_close_database)
        yield Farm(engine, folder, _postmaster(url) if url else None)


def _postmaster(url: str) -> psutil.Process:
    folder = Path(unquote(urlsplit(url).netloc.rpartition("@")[2]))
    return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]))


def _close_database() -> None:
    from django.db import connection

    connection.close()


def analyse_database() -> None:
    """A database that was filled at once knows nothing of its tables; one that grew does."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()


def _await_ready(url: str) -> None:
    import httpx2

    until = time.monotonic() + READY_SECONDS
    while httpx2.get(f"{url}/readyz", timeout=READY_SECONDS).status_code != httpx2.codes.OK:
        if time.monotonic() > until:
            raise TimeoutError("the farm does not get ready")
        time.sleep(0.1)


_TILES = """
INSERT INTO frames_tile (project_id, frame, part, parts, rank, status, failures, changed_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
SELECT %s, n, 0, 1, n, 0, 0, %s FROM numbers
"""


def add_projects(count: int, tiles: int, *, archive_bytes: int = 1000, size: int = SIZE) -> "list[Project]":
    """Projects that render, of an owner each, with waiting frames 1 … `tiles` and an archive in the store."""
    from django.db import connection, transaction

    from sheepfold.server.accounts.models import User
    from sheepfold.server.core.clock import now
    from sheepfold.server.projects.models import Project, ProjectStatus
    from sheepfold.server.renderers.models import Renderer, RendererArchive

    made = []
    with transaction.atomic():
        renderer, is_new = Renderer.objects.get_or_create(version="0.0.0")
        if is_new:
            blob = keep_bytes(os.urandom(archive_bytes))
            RendererArchive.objects.create(renderer=renderer, os="linux", bits=64, blob=blob, source="bench")
        for number in range(count):
            project = Project.objects.create(
                owner=User.objects.create(username=f"owner{number}"),
                name=f"project {number}",
                status=ProjectStatus.RENDERING,
                claimable=True,
                renderer=renderer,
                archive=keep_bytes(os.urandom(archive_bytes)),
                blend_path="scene.blend",
                frames=f"1-{tiles}",
                width=size,
                height=size,
            )
            with connection.cursor() as cursor:
                cursor.execute(_TILES, [tiles, project.pk, connection.ops.adapt_datetimefield_value(now())])
            made.append(project)
    return made


def keep_bytes(content: bytes) -> "Blob":
    """Bytes in the store, and their row."""
    from sheepfold.server.core.actions import record_blob
    from sheepfold.server.core.storage import store

    return record_blob(ref=store().keep_bytes(content, "application/zip"))


@dataclass(frozen=True, slots=True)
class Member:
    """A machine that has logged in. `token` is its cookie."""

    session_id: int
    machine_id: int
    token: str


def add_sessions(count: int, *, first: int = 0, max_leases: int = 1, per_user: int = 100) -> list[Member]:
    """Live sessions of trusted machines numbered from `first`, whose users have `per_user` machines each.

    All have asked for work before, with what `machine.ASK` says.
    """
    from datetime import timedelta

    from sheepfold.server.accounts.models import User
    from sheepfold.server.accounts.secrets import hash_secret
    from sheepfold.server.core.clock import now
    from sheepfold.server.machines.models import Machine, Session
    from sheepfold.server.results.models import Reputation

    moment, tokens = now(), [f"token-{first + number}" for number in range(count)]
    users = User.objects.bulk_create(User(username=f"volunteer{first + n}") for n in range(-(-count // per_user)))
    machines = Machine.objects.bulk_create(
        (
            Machine(
                user=users[number // per_user],
                fingerprint=f"f{number}",
                name=f"machine {number}",
                os="linux",
                bits=64,
                cpu_cores=8,
                ram_kib=16 << 20,
                seen_at=moment,
            )
            for number in range(count)
        ),
        batch_size=2000,
    )
    sessions = Session.objects.bulk_create(
        (
            Session(
                machine=machine,
                token_hash=hash_secret(token),
                generation="sheepfold",
                version="1",
                own_protocol=1,
                max_silence=86400,
                max_leases=max_leases,
                compute_method=0,
                cores=8,
                ram_max_kib=16 << 20,
                started_at=moment,
                heard_at=moment,
                expires_at=moment + timedelta(days=1),
            )
            for machine, token in zip(machines, tokens, strict=True)
        ),
        batch_size=2000,
    )
    Reputation.objects.bulk_create((Reputation(machine_id=machine.pk, agreed=20) for machine in machines), 2000)
    return [
        Member(session.pk, machine.pk, token)
        for session, machine, token in zip(sessions, machines, tokens, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Holding:
    """A tile that a machine renders. `token` travels as `extras`."""

    project_id: int
    frame: int
    token: str


def hand_out(members: list[Member]) -> dict[str, Holding]:
    """Give each session the lease of a waiting tile, over all projects evenly; by the sessions' cookies."""
    from datetime import timedelta
    from itertools import chain, zip_longest

    from sheepfold.server.core.clock import now
    from sheepfold.server.dispatch.models import Lease
    from sheepfold.server.frames.models import Tile, TileStatus
    from sheepfold.server.projects.models import Project

    moment, projects = now(), list(Project.objects.filter(claimable=True).values_list("id", flat=True))
    share = -(-len(members) // len(projects))
    columns = []
    for project_id in projects:
        waiting = Tile.objects.filter(project_id=project_id, status=TileStatus.WAITING)
        columns.append(list(waiting.order_by("rank")[:share]))
        waiting.filter(rank__lte=columns[-1][-1].rank).update(status=TileStatus.RENDERING)
    pairs = list(zip(members, filter(None, chain.from_iterable(zip_longest(*columns))), strict=False))
    Lease.objects.bulk_create(
        (
            Lease(
                token=f"lease-{tile.pk}",
                tile=tile,
                session_id=member.session_id,
                project_id=tile.project_id,
                machine_id=member.machine_id,
                frame=tile.frame,
                started_at=moment - timedelta(minutes=10),
                expires_at=moment + timedelta(hours=20),
                begun=True,
            )
            for member, tile in pairs
        ),
        batch_size=2000,
    )
    return {member.token: Holding(tile.project_id, tile.frame, f"lease-{tile.pk}") for member, tile in pairs}


def signed_in(username: str) -> dict[str, str]:
    """The cookies of a browser in which this person has signed in."""
    from django.test import Client

    from sheepfold.server.accounts.models import User

    browser = Client()
    browser.force_login(User.objects.get(username=username))
    return {name: morsel.value for name, morsel in browser.cookies.items()}
