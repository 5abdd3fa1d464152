"""A machine sent a picture that others render differently: what follows for it, its frames and its points (ADR 15)."""

from collections.abc import Collection
from datetime import datetime

import structlog
from prometheus_client import Counter

from sheepfold.server.core.events import publish
from sheepfold.server.dispatch.actions import revoke
from sheepfold.server.frames import actions as frames
from sheepfold.server.machines.actions import disable_machine
from sheepfold.server.machines.models import Machine
from sheepfold.server.pipeline.endings import give_back
from sheepfold.server.projects.actions import mark_rendering_again
from sheepfold.server.projects.gate import open_for_claims
from sheepfold.server.results.actions import distrust, refute
from sheepfold.server.results.queries import Ballot, last_agreed

log = structlog.get_logger()

CONVICTED = Counter("sheepfold_machines_refuted", "Machines whose pictures turned out to be wrong.")
FRAMES = Counter("sheepfold_frames_refuted", "Frames that are rendered again since their machine was found wrong.")


def convict(*, machine_id: int, result_id: int, ballot: Ballot, now: datetime) -> None:
    """The machine gets no more work, and all since its last agreed frame is done again. Part of the transaction that
    settles the verification.

    Leases first: a frame of it that is being accepted meanwhile holds its lease's row, and is found afterwards.
    """
    give_back(revoke(machine_id=machine_id, now=now), now)
    disable_machine(machine_id=machine_id, reason=_reason(ballot))
    refuted = refute(machine_id=machine_id, after=last_agreed(machine_id, result_id), now=now)
    distrust(machine_id=machine_id, now=now)
    stood = [one for one in refuted if one.stood]
    _render_again([one.tile_id for one in stood], now)
    _tell(machine_id)
    CONVICTED.inc()
    FRAMES.inc(len(stood))
    log.warning("machine disabled for wrong pictures", machine_id=machine_id, frames=len(stood), frame=ballot.frame)


def _reason(ballot: Ballot) -> str:
    return (
        f"its picture of frame {ballot.frame} of job {ballot.project_id} is not what other machines render; "
        "what it sent since its last verified frame does not count and is rendered again. "
        "Check its memory, its graphics card and its client, then ask an admin to enable it"
    )


def _render_again(tile_ids: Collection[int], now: datetime) -> None:
    for project_id, numbers in frames.take_back(tile_ids=tile_ids, now=now).items():
        mark_rendering_again(project_id=project_id, now=now)
        open_for_claims(project_ids=[project_id])
        publish(topic=f"project:{project_id}", kind="project")
        for frame in numbers:
            publish(topic=f"project:{project_id}", kind="tile", reference=str(frame))


def _tell(machine_id: int) -> None:
    publish(topic="machines", kind="disabled", reference=str(machine_id))
    for owner in Machine.objects.filter(pk=machine_id).values_list("user_id", flat=True):
        publish(topic=f"user:{owner}", kind="machine", reference=str(machine_id))
