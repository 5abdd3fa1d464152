"""What is known about results, error logs and points."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Sum

from sheepfold.server.core.statements import fetch, numbers
from sheepfold.server.frames.queries import TileCounts
from sheepfold.server.results.models import (
    UNSETTLED,
    ErrorLog,
    PointsEntry,
    Reputation,
    Result,
    Verdict,
    Verification,
    VerificationStatus,
    Vote,
)
from sheepfold.server.results.trust import is_trusted


@dataclass(frozen=True, slots=True)
class FrameFact:
    """An accepted image. `rendertime` in seconds, `size` in bytes."""

    result_id: int
    tile_id: int
    frame: int
    part: int
    blob_sha: str
    thumbnail_sha: str
    format: str
    size: int
    rendertime: float
    machine_id: int
    created_at: datetime


def accepted_frames(project_id: int, *, after: int = -1, limit: int | None = None) -> list[FrameFact]:
    """The accepted images of a project by frame, those of frames above `after` only."""
    rows = Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED, tile__frame__gt=after)
    return [FrameFact(*row) for row in rows.order_by("tile__frame", "tile__part").values_list(*_FRAME)[:limit]]


_FRAME = (
    "id",
    "tile_id",
    "tile__frame",
    "tile__part",
    "blob_id",
    "thumbnail_id",
    "format",
    "size",
    "rendertime",
    "machine_id",
    "created_at",
)


def others_have_content(project_id: int, machine_id: int) -> bool:
    """Whether other machines sent frames of this project that are not of one colour."""
    return (
        Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED, constant=False)
        .exclude(machine_id=machine_id)
        .exists()
    )


def rendered_by_others(project_ids: Collection[int], machine_id: int) -> frozenset[int]:
    """Those of these projects of which other machines have rendered a frame."""
    rows = Result.objects.filter(project_id__in=project_ids, verdict=Verdict.ACCEPTED).exclude(machine_id=machine_id)
    return frozenset(rows.values_list("project_id", flat=True).distinct())


def another_sent_one_colour(tile_id: int, machine_id: int) -> bool:
    """Whether another machine sent an image of one colour for this very tile."""
    return Result.objects.filter(tile_id=tile_id, verdict=Verdict.BLANK).exclude(machine_id=machine_id).exists()


def accepted_since(since: datetime) -> int:
    """How many images were accepted since a time."""
    return Result.objects.filter(created_at__gte=since, verdict=Verdict.ACCEPTED).count()


def balance(user_id: int) -> int:
    """Thousandths of a point that a user has."""
    return PointsEntry.objects.filter(user_id=user_id).aggregate(total=Sum("millipoints"))["total"] or 0


def balances(user_ids: Collection[int]) -> dict[int, int]:
    """The same for many; those without points are absent. Hot path (ADR 13)."""
    return dict(fetch(_BALANCES.format(users=numbers(user_ids)))) if user_ids else {}


_BALANCES = """
SELECT user_id, CAST(SUM(millipoints) AS bigint) FROM results_pointsentry WHERE user_id IN ({users}) GROUP BY user_id
"""

PACE_FRAMES = 30  # the newest frames tell how long the next will take


def seconds_left(project_id: int, counts: TileCounts) -> float | None:
    """Until all tiles are done, as the newest ones went; None if nothing tells."""
    if not counts.open:
        return 0.0
    newest = Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED).order_by("-created_at")
    times = list(newest.values_list("rendertime", flat=True)[:PACE_FRAMES])
    if not times:
        return None
    return counts.open * sum(times) / len(times) / max(1, counts.rendering)


def error_logs(project_id: int, frame: int | None = None) -> list[ErrorLog]:
    """Error reports about a project, the newest first."""
    rows = ErrorLog.objects.filter(project_id=project_id).select_related("tile")
    return list((rows if frame is None else rows.filter(tile__frame=frame)).order_by("-created_at"))


@dataclass(frozen=True, slots=True)
class WaitingVerification:
    """A frame that a machine shall render again. `machines`, `owners`: whose pictures are there already."""

    id: int
    tile_id: int
    project_id: int
    frame: int
    family: str
    machines: frozenset[int]
    owners: frozenset[int]


def waiting_verifications(*, after: int, most: int) -> list[WaitingVerification]:
    """The oldest ones after an id; two statements, one where there are none."""
    rows = Verification.objects.filter(status=VerificationStatus.WAITING, status__in=UNSETTLED, pk__gt=after)
    found = list(rows.order_by("id").values_list("id", "tile_id", "project_id", "frame", "family")[:most])
    votes = Vote.objects.filter(verification__in=[row[0] for row in found]) if found else Vote.objects.none()
    cast = list(votes.values_list("verification_id", "machine_id", "user_id"))
    return [
        WaitingVerification(
            *row,
            machines=frozenset(machine for number, machine, _ in cast if number == row[0]),
            owners=frozenset(owner for number, _, owner in cast if number == row[0]),
        )
        for row in found
    ]


@dataclass(frozen=True, slots=True)
class VoteFact:
    """A picture in a verification; the newest has no camp yet. `blob_sha` None: the store has lost it."""

    id: int
    machine_id: int
    result_id: int
    blob_sha: str | None
    camp: int | None
    agreed: int  # of its machine, so far


@dataclass(frozen=True, slots=True)
class Ballot:
    """A verification whose newest picture is to be compared with the others, the oldest first."""

    id: int
    project_id: int
    frame: int
    family: str
    votes: tuple[VoteFact, ...]


def ballot(verification_id: int, *, lock: bool = False) -> Ballot | None:
    """None if there is nothing to compare any more. `lock`: nobody else settles it until the transaction's end."""
    rows = Verification.objects.select_for_update() if lock else Verification.objects.all()
    found = rows.filter(pk=verification_id, status=VerificationStatus.ARRIVED).first()
    if found is None:
        return None
    votes = Vote.objects.filter(verification=found).order_by("id")
    cast = list(votes.values_list("id", "machine_id", "result_id", "result__blob_id", "camp"))
    known = agreements([row[1] for row in cast])
    facts = tuple(VoteFact(*row, agreed=known.get(row[1], 0)) for row in cast)
    return Ballot(found.pk, found.project_id, found.frame, found.family, facts)


def verifications_to_compare() -> list[int]:
    """Whose newest picture has arrived."""
    rows = Verification.objects.filter(status=VerificationStatus.ARRIVED, status__in=UNSETTLED)
    return list(rows.order_by("id").values_list("id", flat=True))


def agreements(machine_ids: Collection[int]) -> dict[int, int]:
    """How often each machine agreed with others since it was last wrong; those without a reputation are absent."""
    return dict(Reputation.objects.filter(pk__in=machine_ids).values_list("machine_id", "agreed"))


@dataclass(frozen=True, slots=True)
class Standing:
    """How often others agreed with a machine since it was last wrong, and how often it was wrong."""

    agreed: int
    refuted: int

    @property
    def is_trusted(self) -> bool:
        """Whether less than a tenth of its frames are verified."""
        return is_trusted(self.agreed)

    @property
    def is_known(self) -> bool:
        """Whether anything of it was ever verified."""
        return bool(self.agreed or self.refuted)


def standing(machine_id: int) -> Standing:
    """What verifications have shown of a machine."""
    row = Reputation.objects.filter(pk=machine_id).values_list("agreed", "refuted").first()
    return Standing(*(row or (0, 0)))


def is_verified(result_id: int) -> bool:
    """Whether another machine has rendered the same picture."""
    return Vote.objects.filter(result_id=result_id, agreed=True).exists()


def last_agreed(machine_id: int, before: int) -> int:
    """The machine's latest result before another one that others agreed with; 0 if there is none."""
    rows = Vote.objects.filter(machine_id=machine_id, agreed=True, result__lt=before)
    return rows.aggregate(last=Max("result_id"))["last"] or 0


def open_verifications(machine_ids: Collection[int]) -> dict[int, int]:
    """How many pictures of each machine are being verified; machines without any are absent."""
    rows = Verification.objects.filter(machine_id__in=machine_ids, status__in=UNSETTLED)
    return dict(rows.values_list("machine_id").annotate(Count("id")))


def unverifiable(project_ids: Collection[int]) -> frozenset[int]:
    """Those of these projects of which no two machines rendered some frame alike."""
    rows = Verification.objects.filter(project_id__in=project_ids, status=VerificationStatus.UNDECIDED)
    return frozenset(rows.values_list("project_id", flat=True))
