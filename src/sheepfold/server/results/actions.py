"""Every change of results, error logs and points."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sheepfold.server.core.actions import record_blobs
from sheepfold.server.core.bulk import insert_rows
from sheepfold.server.core.statements import change, numbers
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.results.checks import ImageFacts
from sheepfold.server.results.models import ErrorLog, PointsEntry, PointsKind, Result, Verdict
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


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that is in the store, with its thumbnail."""

    facts: ImageFacts
    blob: BlobRef
    thumbnail: BlobRef


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


def _result_row(arrival: Arrival, kept: KeptImage, now: datetime) -> tuple[object, ...]:
    return (
        arrival.lease_token,
        arrival.tile_id,
        arrival.project_id,
        arrival.machine_id,
        kept.blob.sha256,
        kept.thumbnail.sha256,
        Verdict.ACCEPTED,
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
