"""How a lease ends without a result, and what follows for the tile, the project and the machine. One place for all.

What became of the tile is always decided in the transaction that ends the lease.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.actions import end_each, end_matching
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts
from sheepfold.server.frames import actions as frames
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.frames.queries import projects_failed_by, retries
from sheepfold.server.machines.actions import disable_machine
from sheepfold.server.machines.queries import live_machine_ids
from sheepfold.server.pipeline.finishing import finish_done_projects
from sheepfold.server.projects.actions import mark_rendering_again
from sheepfold.server.projects.gate import open_for_claims
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.actions import give_back_verifications
from sheepfold.server.results.queries import rendered_by_others

log = structlog.get_logger()

BLAME_WINDOW = timedelta(hours=24)
OWNERS_TO_DISABLE = 2  # a machine that fails tiles of so many owners is itself the cause
MAX_ATTEMPTS = 3  # leases of one tile that failed when no other machine is left to try


def free_leases(*, where: Q, now: datetime, end: LeaseEnd = LeaseEnd.EXPIRED) -> list[LeaseFacts]:
    """End the open leases that match, for nobody's fault, and let their tiles wait again."""
    ended = end_matching(where=where, end=end, now=now)
    give_back(ended, now)
    return ended


def fail_lease(*, lease: LeaseFacts, end: LeaseEnd, reason: str, now: datetime) -> bool:
    """End a lease by its machine's failure: the tile waits for another machine, or fails for good.

    False if the lease had ended before; then nothing changes.
    """
    if not end_each(lease_ids=[lease.id], end=end, now=now):
        return False
    if lease.verification_id is not None:
        give_back_verifications(verification_ids=[lease.verification_id], now=now, failed=True)
        return True
    _give_back_tiles([lease], now)
    owner_id = Project.objects.values_list("owner_id", flat=True).get(pk=lease.project_id)
    failed = frames.record_failure(
        tile_id=lease.tile_id, machine_id=lease.machine_id, owner_id=owner_id, reason=reason, now=now
    )
    if failed >= frames.MAX_MACHINES_FAILED:
        _fail_tile(lease.tile_id, lease.project_id, now)
    _judge_machine(lease.machine_id, now)
    return True


def give_back(leases: Sequence[LeaseFacts], now: datetime) -> None:
    """What these leases were for can be given to others: their leases have just ended without a result."""
    verifying = [lease.verification_id for lease in leases if lease.verification_id is not None]
    give_back_verifications(verification_ids=verifying, now=now)
    _give_back_tiles([lease for lease in leases if lease.verification_id is None], now)


def _give_back_tiles(leases: Sequence[LeaseFacts], now: datetime) -> None:
    waiting = frames.give_back(tile_ids=[lease.tile_id for lease in leases], now=now)
    given = [lease for lease in leases if lease.tile_id in waiting]
    open_for_claims(project_ids={lease.project_id for lease in given})
    for lease in given:
        publish(topic=f"project:{lease.project_id}", kind="tile", reference=str(lease.frame))


def _fail_tile(tile_id: int, project_id: int, now: datetime) -> None:
    if frames.fail_tile(tile_id=tile_id, now=now):
        publish(topic=f"project:{project_id}", kind="tile", reference="failed")
        finish_done_projects(project_ids=[project_id], now=now)


def _judge_machine(machine_id: int, now: datetime) -> None:
    """A scene that fails everywhere is at fault itself; a machine that fails what others render, for two owners, is."""
    failed = projects_failed_by(machine_id, now - BLAME_WINDOW)
    owners = {failed[project_id] for project_id in rendered_by_others(failed, machine_id)}
    if len(owners) >= OWNERS_TO_DISABLE:
        disable_machine(machine_id=machine_id, reason="it failed frames of several people; look at its error log")
        log.warning("machine disabled", machine_id=machine_id, owners=len(owners))
        publish(topic="machines", kind="disabled", reference=str(machine_id))
        _acquit_tiles(machine_id, now)


def _acquit_tiles(machine_id: int, now: datetime) -> None:
    for project_id in frames.forget_machine(machine_id=machine_id, now=now):
        mark_rendering_again(project_id=project_id, now=now)
        open_for_claims(project_ids=[project_id])
        publish(topic=f"project:{project_id}", kind="project")


@transaction.atomic
def settle_retries(*, now: datetime) -> None:
    """Tiles that every machine at hand has failed: let these try again, and give up after MAX_ATTEMPTS in all."""
    live = live_machine_ids()
    for retry in retries():
        if not live or not live <= retry.machine_ids:
            continue
        failed = Lease.objects.filter(tile_id=retry.tile_id, verification_id=None)
        attempts = failed.filter(end__in=(LeaseEnd.ERRORED, LeaseEnd.REJECTED)).count()
        if attempts >= MAX_ATTEMPTS:
            _fail_tile(retry.tile_id, retry.project_id, now)
        else:
            frames.forgive_failures(tile_id=retry.tile_id)
            open_for_claims(project_ids=[retry.project_id])


def reopen_projects() -> None:
    """Open projects whose tiles wait although they are closed: a claim and a lease's end may have crossed."""
    closed = Project.objects.filter(claimable=False, status="rendering", deleted_at=None, tiles__status=0)
    open_for_claims(project_ids=set(closed.values_list("id", flat=True)))


@transaction.atomic
def recover_tiles(*, now: datetime) -> int:
    """Let tiles wait again that are marked as rendering although no lease is open. There should be none: insurance.

    Returns how many there were.
    """
    held = Lease.objects.filter(tile_id=OuterRef("pk"), end=LeaseEnd.OPEN, verification_id=None)
    lost = Tile.objects.filter(
        ~Exists(held),
        status=TileStatus.RENDERING,
        changed_at__lt=now - timedelta(minutes=1),
        project__status__in=(ProjectStatus.RENDERING, ProjectStatus.PAUSED),
    )
    projects = dict(lost.values_list("id", "project_id"))
    waiting = frames.give_back(tile_ids=list(projects), now=now)
    open_for_claims(project_ids={projects[tile_id] for tile_id in waiting})
    if waiting:
        log.error("tiles were rendering without a lease, they wait again", tiles=len(waiting))
    return len(waiting)
