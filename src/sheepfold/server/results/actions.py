"""Every change of results, error logs and points."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, QuerySet

from sheepfold.server.core.actions import record_blobs
from sheepfold.server.core.bulk import insert_rows
from sheepfold.server.core.statements import change, numbers
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.models import (
    UNSETTLED,
    ErrorLog,
    PointsEntry,
    PointsKind,
    Reputation,
    Result,
    Verdict,
    Verification,
    VerificationStatus,
    Vote,
)
from sheepfold.server.results.points import price


@dataclass(frozen=True, slots=True)
class Arrival:
    """An uploaded image with what is known of its lease. `rendertime` in seconds, memory in KiB."""

    tile_id: int
    project_id: int
    lease_token: str
    machine_id: int
    machine_user_id: int
    project_owner_id: int
    rendertime: float
    memory_kib: int


def record_accepted(*, accepted: Sequence[tuple[Arrival, KeptImage]], now: datetime) -> list[int]:
    """Results and points of tiles that have just become done. Returns the results' ids in the order given.

    A tile that is rendered again replaces its old result, whose points stay: the work was done.
    """
    if not accepted:
        return []
    record_blobs(refs=[ref for _, kept in accepted for ref in (kept.blob, kept.thumbnail)])
    tiles = [arrival.tile_id for arrival, _ in accepted]
    change(_REPLACE.format(tiles=numbers(tiles)))
    rows = [_result_row(arrival, kept, now) for arrival, kept in accepted]
    ids = insert_rows(Result, _RESULT_COLUMNS, rows)
    entries = [row for arrival, _ in accepted for row in _ledger_rows(arrival, ids[arrival.lease_token], now)]
    insert_rows(PointsEntry, _LEDGER_COLUMNS, entries)
    return [ids[arrival.lease_token] for arrival, _ in accepted]


# A constant, since the planner uses a partial index only when it can see one. Hot path (ADR 13).
_REPLACE = "UPDATE results_result SET verdict = 'replaced' WHERE verdict = 'accepted' AND tile_id IN ({tiles})"
_RESULT_COLUMNS = (
    "lease_token",
    "tile_id",
    "project_id",
    "machine_id",
    "blob_id",
    "thumbnail_id",
    "verdict",
    "constant",
    "width",
    "height",
    "format",
    "size",
    "rendertime",
    "memory_kib",
    "created_at",
)
_LEDGER_COLUMNS = ("user_id", "kind", "millipoints", "result_id", "created_at")


def _result_row(
    arrival: Arrival, kept: KeptImage, now: datetime, verdict: Verdict = Verdict.ACCEPTED
) -> tuple[object, ...]:
    return (
        arrival.lease_token,
        arrival.tile_id,
        arrival.project_id,
        arrival.machine_id,
        kept.blob.sha256,
        kept.thumbnail.sha256,
        verdict,
        kept.facts.constant,
        kept.facts.width,
        kept.facts.height,
        kept.facts.format,
        kept.blob.size,
        arrival.rendertime,
        arrival.memory_kib,
        now,
    )


def _ledger_rows(arrival: Arrival, result_id: int, now: datetime) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What the machine's owner earns is what the project's owner spends."""
    amount = price(arrival.rendertime)
    return (
        (arrival.machine_user_id, PointsKind.RENDERED, amount, result_id, now),
        (arrival.project_owner_id, PointsKind.SPENT, -amount, result_id, now),
    )


def record_refused(*, arrival: Arrival, verdict: Verdict, constant: bool, now: datetime) -> Verdict:
    """An image that the farm does not take; it is counted, not kept.

    The same upload counts once, and what was thought of it the first time is returned.
    """
    # not get_or_create: two web processes may each have counted it, and then there are two rows
    row = Result.objects.filter(lease_token=arrival.lease_token).first() or Result.objects.create(
        lease_token=arrival.lease_token,
        tile_id=arrival.tile_id,
        project_id=arrival.project_id,
        machine_id=arrival.machine_id,
        verdict=verdict,
        constant=constant,
        rendertime=arrival.rendertime,
        memory_kib=arrival.memory_kib,
        created_at=now,
    )
    return Verdict(row.verdict)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What a machine reported. `rendertime` in seconds, memory in KiB."""

    machine_id: int
    kind: int
    tile_id: int | None = None
    project_id: int | None = None
    rendertime: int = 0
    memory_kib: int = 0


def record_error(*, report: ReportFacts, log: BlobRef | None, now: datetime) -> ErrorLog:
    """Keep an error report and its log."""
    if log is not None:
        record_blobs(refs=[log])
    return ErrorLog.objects.create(
        tile_id=report.tile_id,
        project_id=report.project_id,
        machine_id=report.machine_id,
        kind=report.kind,
        blob_id=log.sha256 if log else None,
        rendertime=report.rendertime,
        memory_kib=report.memory_kib,
        created_at=now,
    )


def grant_points(*, user_id: int, millipoints: int, now: datetime) -> None:
    """An admin gives (or takes) points."""
    PointsEntry.objects.create(user_id=user_id, kind=PointsKind.GRANT, millipoints=millipoints, created_at=now)


MAX_VERIFIERS_FAILED = 3  # then nobody is asked any more


@dataclass(frozen=True, slots=True)
class Questioned:
    """An accepted picture that is to be verified, on a device of the family that made it."""

    result_id: int
    tile_id: int
    project_id: int
    frame: int
    machine_id: int
    machine_user_id: int
    family: str


def open_verification(*, picture: Questioned, now: datetime) -> None:
    """Another machine shall render the frame again."""
    verification = Verification.objects.create(
        result_id=picture.result_id,
        tile_id=picture.tile_id,
        project_id=picture.project_id,
        frame=picture.frame,
        machine_id=picture.machine_id,
        family=picture.family,
        created_at=now,
    )
    _vote(verification.pk, picture.result_id, picture.machine_id, picture.machine_user_id)


def _vote(verification_id: int, result_id: int, machine_id: int, user_id: int) -> None:
    Vote.objects.create(verification_id=verification_id, result_id=result_id, machine_id=machine_id, user_id=user_id)


def take_verification(*, verification_id: int) -> bool:
    """A machine is given it. False if another one was faster."""
    rows = Verification.objects.filter(pk=verification_id, status=VerificationStatus.WAITING)
    return bool(rows.update(status=VerificationStatus.RENDERING))


def give_back_verifications(*, verification_ids: Collection[int], now: datetime, failed: bool = False) -> None:
    """Leases of these ended without a picture. One that several machines failed is dropped: nobody is to blame."""
    if not verification_ids:
        return
    rows = Verification.objects.filter(pk__in=verification_ids, status=VerificationStatus.RENDERING)
    rows.update(status=VerificationStatus.WAITING, failures=F("failures") + int(failed))
    rows = Verification.objects.filter(pk__in=verification_ids, status=VerificationStatus.WAITING)
    _drop(rows.filter(failures__gte=MAX_VERIFIERS_FAILED), now)


def drop_verifications(*, verification_ids: Collection[int], now: datetime) -> int:
    """Nothing can be said of these any more. Returns how many this call ended."""
    return _drop(Verification.objects.filter(pk__in=verification_ids), now)


def _drop(rows: QuerySet[Verification], now: datetime) -> int:
    return rows.filter(status__in=UNSETTLED).update(status=VerificationStatus.DROPPED, settled_at=now)


def record_verifying(*, arrival: Arrival, kept: KeptImage, verification_id: int, payer_id: int, now: datetime) -> bool:
    """A picture for comparison. The work is paid in any case; False if nobody waits for the picture any more."""
    record_blobs(refs=[kept.blob, kept.thumbnail])
    ids = insert_rows(Result, _RESULT_COLUMNS, [_result_row(arrival, kept, now, Verdict.VERIFYING)])
    result_id = ids[arrival.lease_token]
    insert_rows(PointsEntry, _LEDGER_COLUMNS, _ledger_rows(replace(arrival, project_owner_id=payer_id), result_id, now))
    rows = Verification.objects.filter(pk=verification_id, status=VerificationStatus.RENDERING)
    if not rows.update(status=VerificationStatus.ARRIVED):
        return False
    _vote(verification_id, result_id, arrival.machine_id, arrival.machine_user_id)
    return True


def record_camps(*, camps: Mapping[int, int]) -> None:
    """Which pictures look alike: the camp of each vote, by the vote's id."""
    for vote_id, camp in camps.items():
        Vote.objects.filter(pk=vote_id).update(camp=camp)


def ask_another(*, verification_id: int) -> None:
    """The pictures differ: one more machine shall render the frame."""
    rows = Verification.objects.filter(pk=verification_id, status=VerificationStatus.ARRIVED)
    rows.update(status=VerificationStatus.WAITING)


def settle_verification(*, verification_id: int, agreed: Collection[int], now: datetime) -> None:
    """Machines agree, as these votes say, or (no votes) no two do. The pictures that were only for this may go."""
    status = VerificationStatus.AGREED if agreed else VerificationStatus.UNDECIDED
    Verification.objects.filter(pk=verification_id).update(status=status, settled_at=now)
    votes = Vote.objects.filter(pk__in=agreed)
    votes.update(agreed=True)
    spare = Result.objects.filter(vote__in=agreed, verdict=Verdict.VERIFYING)
    spare.update(blob=None, thumbnail=None)
    for machine_id in votes.values_list("machine_id", flat=True):
        _count(machine_id, agreed=F("agreed") + 1)


def _count(machine_id: int, **values: object) -> None:
    Reputation.objects.get_or_create(machine_id=machine_id)
    Reputation.objects.filter(pk=machine_id).update(**values)


def distrust(*, machine_id: int, now: datetime) -> None:
    """The machine was found wrong: it is as unknown as a new one, and what it says in other verifications is void."""
    _count(machine_id, agreed=0, refuted=F("refuted") + 1)
    _drop(Verification.objects.filter(machine_id=machine_id), now)
    void = Vote.objects.filter(machine_id=machine_id, verification__status__in=UNSETTLED)
    touched = list(void.values_list("verification_id", flat=True))
    newest = Vote.objects.filter(verification_id__in=touched, camp=None, machine_id=machine_id)
    asked_again = list(newest.values_list("verification_id", flat=True))
    void.delete()
    for verification_id in asked_again:
        ask_another(verification_id=verification_id)


@dataclass(frozen=True, slots=True)
class Refuted:
    """A picture that is taken for wrong. `stood`: it was the frame, which somebody has to render again."""

    result_id: int
    tile_id: int
    project_id: int
    stood: bool


def refute(*, machine_id: int, after: int, now: datetime) -> list[Refuted]:
    """Take for wrong whatever this machine sent after a result, unless others agreed with it, and undo its points."""
    standing = (Verdict.ACCEPTED, Verdict.REPLACED, Verdict.VERIFYING)
    rows = Result.objects.filter(machine_id=machine_id, pk__gt=after, verdict__in=standing)
    found = rows.exclude(vote__agreed=True).values_list("id", "tile_id", "project_id", "verdict")
    refuted = [Refuted(*row[:3], stood=row[3] == Verdict.ACCEPTED) for row in found]
    ids = [one.result_id for one in refuted]
    Result.objects.filter(pk__in=ids).update(verdict=Verdict.REFUTED)
    undone = PointsEntry.objects.filter(result__in=ids, kind__in=_UNDOING)
    rows_back = [
        (user_id, _UNDOING[PointsKind(kind)], -millipoints, result_id, now)
        for user_id, kind, millipoints, result_id in undone.values_list("user_id", "kind", "millipoints", "result_id")
    ]
    insert_rows(PointsEntry, _LEDGER_COLUMNS, rows_back)
    return refuted


_UNDOING = {PointsKind.RENDERED: PointsKind.TAKEN_BACK, PointsKind.SPENT: PointsKind.REFUNDED}


def forget_lost_images(*, hashes: Collection[str]) -> dict[int, list[int]]:
    """The store has lost these bytes: what was accepted with them does not count as such any more, its points do.

    Returns the frames that are without an image now, by project.
    """
    lost = Result.objects.filter(blob_id__in=hashes)
    frames: defaultdict[int, list[int]] = defaultdict(list)
    for project_id, frame in lost.filter(verdict=Verdict.ACCEPTED).values_list("project_id", "tile__frame"):
        frames[project_id].append(frame)
    lost.filter(verdict=Verdict.ACCEPTED).update(verdict=Verdict.REPLACED)
    lost.update(blob=None)
    return dict(frames)
