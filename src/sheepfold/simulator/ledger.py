"""The crowd's own account of what the farm said, and what differs from the farm's. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

MILLIPOINTS_PER_SECOND = 1000 / 60  # what the farm promises: a point is a minute of rendering


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A frame of a job."""

    job: int
    frame: int


class TileEnd(Enum):
    """Where the farm says that a tile stands."""

    OPEN = auto()
    DONE = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Payment:
    """What one accepted picture moved, in thousandths of a point."""

    earned: int
    spent: int


@dataclass(frozen=True, slots=True)
class FarmBooks:
    """The farm's own account. `lost_files`: named by a row and not in the store."""

    ends: dict[Tile, TileEnd]
    payments: dict[Tile, tuple[Payment, ...]]
    open_leases: int
    lost_files: int


@dataclass(slots=True)
class Ledger:
    """What the machines did and heard. Times in seconds. `hurt`: something harms the farm on purpose, and then it may
    say that it is in trouble."""

    hurt: bool = False
    logins: int = 0
    jobs: int = 0
    vanished: int = 0
    outages: int = 0
    broken_off: int = 0  # requests without an answer
    lost_leases: int = 0  # that ended before the archives were there
    troubles: Counter[str] = field(default_factory=Counter)  # how a farm that is hurt excused itself
    work_answers: Counter[int] = field(default_factory=Counter)
    upload_answers: Counter[int] = field(default_factory=Counter)
    taken: defaultdict[Tile, list[float]] = field(default_factory=lambda: defaultdict(list))
    unanswered: defaultdict[Tile, list[float]] = field(default_factory=lambda: defaultdict(list))
    surprises: list[str] = field(default_factory=list)  # answers that no machine should ever see
    claim_times: list[float] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)  # of each frame, on the clock of `time.monotonic`


def compare(ledger: Ledger, farm: FarmBooks) -> list[str]:
    """Every difference between the two accounts, in words. Empty: the farm kept its promises."""
    differences = [*ledger.surprises, *_ends(ledger, farm), *_payments(ledger, farm)]
    if farm.open_leases:
        differences.append(f"{farm.open_leases} leases are open although nobody renders")
    if farm.lost_files:
        differences.append(f"{farm.lost_files} stored files are missing or damaged")
    return differences


def _ends(ledger: Ledger, farm: FarmBooks) -> Iterable[str]:
    for tile, end in sorted(farm.ends.items()):
        accepted = len(farm.payments.get(tile, ()))
        if end is TileEnd.OPEN:
            yield f"{tile} was never finished"
        if accepted != (end is TileEnd.DONE):
            yield f"{tile} is {end.name} and has {accepted} accepted pictures"
        if end is not TileEnd.DONE and tile in ledger.taken:
            yield f"{tile} was taken from a machine and is not done"


def _payments(ledger: Ledger, farm: FarmBooks) -> Iterable[str]:
    for tile, payments in sorted(farm.payments.items()):
        prices = {price(seconds) for seconds in (*ledger.taken[tile], *ledger.unanswered[tile])}
        for payment in payments:
            if payment.spent != -payment.earned:
                yield f"{tile} earned {payment.earned} and cost {-payment.spent}"
            if payment.earned not in prices:
                yield f"{tile} earned {payment.earned}, its machines expect one of {sorted(prices)}"


def price(seconds: float) -> int:
    """Thousandths of a point for a frame; every frame is worth something."""
    return max(1, round(seconds * MILLIPOINTS_PER_SECOND))
