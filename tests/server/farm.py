"""Makes rows for tests, in as few words as possible. Only what a test names differs from the ordinary."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

from sheepfold.server.accounts.models import User
from sheepfold.server.core.models import Blob
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.machines.actions import MachineFacts, SessionTerms, open_session, register_machine
from sheepfold.server.machines.queries import SessionFacts, sessions_of_tokens
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.renderers.models import Renderer, RendererArchive

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def later(**delta: float) -> datetime:
    """NOON and some."""
    return NOON + timedelta(**delta)


def make_user(name: str = "", **values: object) -> User:
    """A user who cannot sign in with a password."""
    return User.objects.create(username=name or f"user{next(_numbers)}", password="!", **values)


def make_blob(content: str) -> Blob:
    """The row of a blob; its bytes are not in the store."""
    data = content.encode()
    return Blob.objects.get_or_create(
        sha256=hashlib.sha256(data).hexdigest(),
        defaults={"md5": hashlib.md5(data).hexdigest(), "size": len(data)},
    )[0]


def make_renderer(version: str = "4.2.1", os: str = "linux", bits: int = 64) -> Renderer:
    """A renderer with an archive for one platform."""
    renderer, _ = Renderer.objects.get_or_create(version=version)
    RendererArchive.objects.get_or_create(
        renderer=renderer, os=os, bits=bits, defaults={"blob": make_blob(f"{version} {os}"), "source": "test"}
    )
    return renderer


def make_project(*, tiles: int = 3, owner: User | None = None, **values: object) -> Project:
    """A project that is being rendered, with unsplit tiles of frames 1 … `tiles`."""
    number = next(_numbers)
    defaults: dict[str, object] = {
        "name": f"project {number}",
        "status": ProjectStatus.RENDERING,
        "claimable": True,
        "renderer": make_renderer(),
        "archive": make_blob(f"scene {number}"),
        "blend_path": "scene.blend",
        "width": 64,
        "height": 36,
        "frames": f"1-{tiles}",
    }
    project = Project.objects.create(owner=owner or make_user(), **{**defaults, **values})
    Tile.objects.bulk_create(
        Tile(project=project, frame=frame, rank=frame, status=TileStatus.WAITING, changed_at=NOON)
        for frame in range(1, tiles + 1)
    )
    return project


def make_session(
    *, user: User | None = None, os: str = "linux", max_leases: int = 1, max_silence: int = 1200, now: datetime = NOON
) -> SessionFacts:
    """A live session of a new machine."""
    return make_session_with_token(user=user, os=os, max_leases=max_leases, max_silence=max_silence, now=now)[0]


def make_session_with_token(
    *, user: User | None = None, os: str = "linux", max_leases: int = 1, max_silence: int = 1200, now: datetime = NOON
) -> tuple[SessionFacts, str]:
    """The same, and the cookie that the machine sends."""
    number = next(_numbers)
    facts = MachineFacts(f"machine {number}", f"box{number}", os, 64, "a processor", 8, 16 << 20, "test 1.0")
    machine = register_machine(user=user or make_user(), facts=facts, now=now)
    terms = SessionTerms("unknown", "1.0", 0, max_silence, max_leases)
    session, token = open_session(machine=machine, key=None, terms=terms, now=now)
    return sessions_of_tokens([session.token_hash])[session.token_hash], token


def statuses(project: Project) -> list[TileStatus]:
    """The status of each tile, by frame."""
    rows = Tile.objects.filter(project=project).order_by("frame", "part").values_list("status", flat=True)
    return [TileStatus(status) for status in rows]
