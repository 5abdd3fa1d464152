"""Which accepted frames other machines shall render again (ADR 15). A timer looks at what came since its last look, so
that accepting a frame costs nothing more."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random, SystemRandom

from django.db import transaction
from django.db.models import Max, Q

from sheepfold.protocol.codes import ComputeMethod
from sheepfold.server.core.config import Verify, config
from sheepfold.server.core.models import Switch
from sheepfold.server.dispatch.eligibility import device_family
from sheepfold.server.dispatch.models import Lease
from sheepfold.server.dispatch.picture import projects_to_verify
from sheepfold.server.frames.actions import GOING_ON
from sheepfold.server.machines.models import Machine
from sheepfold.server.machines.queries import count_live_owners
from sheepfold.server.pipeline.trials import TRIAL_PROJECT
from sheepfold.server.results import queries as results
from sheepfold.server.results.actions import Questioned, drop_verifications, open_verification
from sheepfold.server.results.models import UNSETTLED, Result, Verdict, Verification
from sheepfold.server.results.trust import MOST_OPEN, sample_rate

ROW = "verified_to"  # the last result that was looked at
BATCH = 2000  # results in one look
OWNERS = 3  # of the machine in question, of the one that renders again, and of the one that decides
PATIENCE = timedelta(hours=24)  # for machines that can render a frame again


@dataclass(frozen=True, slots=True)
class _Candidate:
    result_id: int
    tile_id: int
    project_id: int
    machine_id: int
    lease_token: str
    frame: int
    project_owner_id: int
    use_gpu: bool


_FIELDS = (
    "id",
    "tile_id",
    "project_id",
    "machine_id",
    "lease_token",
    "tile__frame",
    "tile__project__owner_id",
    "tile__project__use_gpu",
)


@transaction.atomic
def sample_results(*, now: datetime, random: Random | None = None) -> int:
    """Open verifications for some of the frames that were accepted since the last look. Returns how many.

    `random` decides; the system's own, which nobody can foresee, where none is given.
    """
    if config().verify is Verify.OFF:
        return 0
    seen = seen_to()
    if seen is None:
        seen = Result.objects.filter(created_at__lt=now - PATIENCE).aggregate(last=Max("id"))["last"] or 0
    rows = Result.objects.filter(pk__gt=seen, verdict=Verdict.ACCEPTED).order_by("id").values_list(*_FIELDS)[:BATCH]
    fresh = [_Candidate(*row) for row in rows]
    if not fresh:
        return 0
    _see(fresh[-1].result_id)
    if not _makes_sense():
        return 0
    chosen = _choose(fresh, random or SystemRandom())
    for picture in _questioned(chosen):
        open_verification(picture=picture, now=now)
    return len(chosen)


def _makes_sense() -> bool:
    """People who know each other's machines, and one who owns all of them, have nothing to verify."""
    return config().verify is Verify.ON or count_live_owners() >= OWNERS


def seen_to() -> int | None:
    """The last result that was looked at; None: none ever was."""
    value = Switch.objects.filter(name=ROW).values_list("value", flat=True).first()
    return int(value) if value else None


def _see(result_id: int) -> None:
    Switch.objects.update_or_create(name=ROW, defaults={"value": str(result_id)})


@dataclass(slots=True)
class _Known:
    """What decides about the candidates of one look."""

    owners: Mapping[int, int]  # of machines that are not disabled
    agreed: Mapping[int, int]
    projects: Collection[int]
    open: Counter[int] = field(default_factory=Counter)


def _choose(fresh: list[_Candidate], random: Random) -> list[_Candidate]:
    known = _known(fresh)
    chosen = []
    for one in fresh:
        if _may_be_wrong(one, known) and random.random() < sample_rate(known.agreed.get(one.machine_id, 0)):
            known.open[one.machine_id] += 1
            chosen.append(one)
    return chosen


def _known(fresh: list[_Candidate]) -> _Known:
    machines = {one.machine_id for one in fresh}
    projects = {one.project_id for one in fresh} - {TRIAL_PROJECT}
    owners = Machine.objects.filter(pk__in=machines, disabled_reason="").values_list("id", "user_id")
    return _Known(
        owners=dict(owners),
        agreed=results.agreements(machines),
        projects=projects_to_verify(projects).keys() - results.unverifiable(projects),
        open=Counter(results.open_verifications(machines)),
    )


def _may_be_wrong(one: _Candidate, known: _Known) -> bool:
    owner = known.owners.get(one.machine_id)
    for_itself = owner == one.project_owner_id and config().verify is not Verify.ON
    if owner is None or for_itself or one.project_id not in known.projects:
        return False
    return known.open[one.machine_id] < MOST_OPEN


def _questioned(chosen: list[_Candidate]) -> list[Questioned]:
    tokens = [one.lease_token for one in chosen]
    fields = ("token", "session__compute_method", "session__machine__gpu_name", "session__machine__user_id")
    leases = {row[0]: row[1:] for row in Lease.objects.filter(token__in=tokens).values_list(*fields)}
    return [
        Questioned(
            result_id=one.result_id,
            tile_id=one.tile_id,
            project_id=one.project_id,
            frame=one.frame,
            machine_id=one.machine_id,
            machine_user_id=leases[one.lease_token][2],
            family=_family(one, *leases[one.lease_token][:2]),
        )
        for one in chosen
    ]


def _family(one: _Candidate, compute_method: int, gpu_name: str) -> str:
    on_gpu = one.use_gpu and bool(gpu_name) and compute_method != ComputeMethod.CPU
    return device_family(on_gpu=on_gpu, gpu_name=gpu_name)


@transaction.atomic
def drop_stale(*, now: datetime) -> int:
    """Give up verifications that no machine can do, and those of projects that are over. Returns how many."""
    unsettled = Verification.objects.filter(status__in=UNSETTLED)
    going_on = Q(tile__project__deleted_at=None, tile__project__status__in=GOING_ON, created_at__gte=now - PATIENCE)
    return drop_verifications(verification_ids=list(unsettled.exclude(going_on).values_list("id", flat=True)), now=now)
