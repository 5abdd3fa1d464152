"""A small in-memory picture of the open projects, rebuilt from the database and never the truth itself.

It only says where to look for waiting tiles. What it gets wrong costs a look in vain, never a frame.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from django.db.models import Q

from sheepfold.server.dispatch.eligibility import OpenProject, Platform
from sheepfold.server.dispatch.ordering import Queue, Turns, build_queue
from sheepfold.server.dispatch.rooms import Room, rooms_of_groups
from sheepfold.server.frames.queries import projects_with_retries
from sheepfold.server.projects.models import Project, ProjectStatus, Visibility
from sheepfold.server.projects.queries import is_to_be_sealed
from sheepfold.server.renderers.models import RendererArchive

_CLAIMABLE = Q(claimable=True, status=ProjectStatus.RENDERING)
MAX_AGE = 0.5  # seconds; a group of claims that finds too little in an older picture looks again at once


@dataclass(frozen=True, slots=True)
class Picture:
    """The open projects, those among them with tiles that some machine failed, and the platforms served."""

    queue: Queue
    with_retries: frozenset[int]
    platforms: frozenset[Platform]  # for which the farm has any renderer
    rooms: dict[int, Room]  # by group, for those with a limit; claims fill them
    owners_of_archives: Mapping[str, Sequence[int]]  # by the MD5 of a scene, so that who has it may stay with it

    def room_of(self, project: OpenProject | None) -> Room | None:
        """The room of the project's group, or None where any number of machines may work."""
        return self.rooms.get(project.group_id) if project and project.group_id is not None else None


@dataclass(slots=True)
class PictureBook:
    """Keeps the latest picture of one process. `random` decides who stays with a scene."""

    random: Random = field(default_factory=Random)
    turns: Turns = field(default_factory=Turns)
    _picture: Picture | None = None
    _taken_at: float = 0.0

    def current(self, max_age: float = MAX_AGE) -> Picture:
        """The picture, taken anew when it is older than `max_age` seconds."""
        if self._picture is None or time.monotonic() - self._taken_at > max_age:
            self._picture, self._taken_at = take_picture(self.turns), time.monotonic()
        return self._picture

    @property
    def latest(self) -> Picture | None:
        """The picture as it is, however old."""
        return self._picture


def take_picture(turns: Turns) -> Picture:
    """Read the open projects: a few small queries over partial indexes."""
    md5s = _renderer_md5s()
    projects = _open_projects(_CLAIMABLE, md5s).values()
    return Picture(
        queue=build_queue(projects, turns),
        with_retries=projects_with_retries(),
        platforms=frozenset(platform for by_platform in md5s.values() for platform in by_platform),
        rooms=rooms_of_groups(),
        owners_of_archives=_owners_of_archives(projects),
    )


def _owners_of_archives(projects: Iterable[OpenProject]) -> dict[str, list[int]]:
    owners: defaultdict[str, list[int]] = defaultdict(list)
    for project in projects:
        owners[project.archive_md5].append(project.owner_id)
    return dict(owners)


def claimable_projects() -> dict[int, OpenProject]:
    """Those that may have waiting tiles."""
    return _open_projects(_CLAIMABLE, _renderer_md5s())


def projects_to_verify(project_ids: Collection[int]) -> dict[int, OpenProject]:
    """Those of these projects whose frames may be rendered again for comparison: not while they are paused."""
    where = Q(pk__in=project_ids, status__in=(ProjectStatus.RENDERING, ProjectStatus.FINISHED))
    return _open_projects(where, _renderer_md5s())


def _open_projects(where: Q, md5s: dict[int, dict[Platform, str]]) -> dict[int, OpenProject]:
    rows = Project.objects.filter(where, deleted_at=None).values_list(
        "id",
        "owner_id",
        "group_id",
        "visibility",
        "priority",
        "use_cpu",
        "use_gpu",
        "min_ram_kib",
        "min_power",
        "max_minutes_per_frame",
        "renderer_id",
        "upload_id",
        "archive_id",
        "archive_password",
        "archive__md5",
        named=True,
    )
    return {
        row.id: OpenProject(
            id=row.id,
            owner_id=row.owner_id,
            group_id=row.group_id,
            visibility=Visibility(row.visibility),
            priority=row.priority,
            use_cpu=row.use_cpu,
            use_gpu=row.use_gpu,
            min_ram_kib=row.min_ram_kib,
            min_power=row.min_power,
            max_minutes=row.max_minutes_per_frame,
            renderer_md5s=md5s.get(row.renderer_id or 0, {}),
            encrypted=bool(row.archive_password),
            to_be_encrypted=is_to_be_sealed(row),
            archive_md5=row.archive__md5 or "",
        )
        for row in rows
    }


def _renderer_md5s() -> dict[int, dict[Platform, str]]:
    found: defaultdict[int, dict[Platform, str]] = defaultdict(dict)
    rows = RendererArchive.objects.values_list("renderer_id", "os", "bits", "blob__md5")
    for renderer_id, os, bits, md5 in rows:
        found[renderer_id][(os, bits)] = md5
    return dict(found)
