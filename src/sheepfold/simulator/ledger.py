"""The crowd's own account of what the farm said, and what differs from the farm's. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

MILLIPOINTS_PER_SECOND = 1000 / 60  # what the farm promises: a point is a minute of rendering
FOUND_WITHIN = 150  # wrong pictures; of a trusted machine 1 in 20 is verified, so one cheat in 2,000 sends more


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
    """The farm's own account. `lost_files`: named by a row and not in the store.

    `payments`: of pictures that count. `verifying`: of those for comparison; `refuted`: of those that were found wrong.
    `wrong`: tiles whose picture shows something else, with the machine that sent it. `disabled`: machines.
    """

    ends: dict[Tile, TileEnd]
    payments: dict[Tile, tuple[Payment, ...]]
    open_leases: int
    lost_files: int
    verifying: dict[Tile, tuple[Payment, ...]] = field(default_factory=dict)
    refuted: dict[Tile, tuple[Payment, ...]] = field(default_factory=dict)
    wrong: dict[Tile, int] = field(default_factory=dict)
    disabled: frozenset[int] = frozenset()


@dataclass(slots=True)
class Ledger:
    """What the machines did and heard. Times in seconds.

    `hurt`: something harms the farm on purpose, and then it may say that it is in trouble. `held`: where a machine told
    a nonsensical time, the least and the most that is fair.
    """

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
    held: defaultdict[Tile, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[int] = field(default_factory=Counter)  # pictures of something else that were taken, by machine
    never_right: set[int] = field(default_factory=set)  # machines whose every picture was of something else
    broken: set[int] = field(default_factory=set)  # machines that sent what is no picture
    surprises: list[str] = field(default_factory=list)  # answers that no machine should ever see
    claim_times: list[float] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)  # of each frame, on the clock of `time.monotonic`


def compare(ledger: Ledger, farm: FarmBooks, poisoned: Collection[int] = ()) -> list[str]:
    """Every difference between the two accounts, in words. Empty: the farm kept its promises.

    `poisoned`: the jobs that nobody can render.
    """
    differences = [*ledger.surprises, *_ends(ledger, farm), *_payments(ledger, farm), *_cheats(ledger, farm)]
    lost = [tile for tile, end in farm.ends.items() if end is TileEnd.FAILED and tile.job not in poisoned]
    differences += [f"{tile} was given up although it can be rendered" for tile in sorted(lost)]
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
    for tile in sorted(farm.payments.keys() | farm.verifying.keys()):
        payments = (*farm.payments.get(tile, ()), *farm.verifying.get(tile, ()))
        prices = {price(seconds) for seconds in (*ledger.taken[tile], *ledger.unanswered[tile])}
        for payment in payments:
            if payment.spent != -payment.earned:
                yield f"{tile} earned {payment.earned} and cost {-payment.spent}"
            if payment.earned not in prices and not _is_fair(payment.earned, ledger.held.get(tile, [])):
                yield f"{tile} earned {payment.earned}, its machines expect one of {sorted(prices)}"


def _cheats(ledger: Ledger, farm: FarmBooks) -> Iterable[str]:
    for machine, number in sorted(ledger.wrong.items()):
        if machine not in farm.disabled and (machine in ledger.never_right or number > FOUND_WITHIN):
            yield f"machine {machine} sent {number} wrong pictures and was not found"
    for machine in sorted(farm.disabled - ledger.wrong.keys() - ledger.broken):
        yield f"machine {machine} was disabled although it did its work"
    for tile, machine in sorted(farm.wrong.items()):
        if machine in farm.disabled or machine not in ledger.wrong:
            yield f"{tile} has a wrong picture of machine {machine}"
    for tile, payments in sorted(farm.refuted.items()):
        if any(payment != Payment(0, 0) for payment in payments):
            yield f"{tile} was paid although its picture was found wrong: {payments}"


def _is_fair(earned: int, held: list[tuple[float, float]]) -> bool:
    return any(price(least) <= earned <= price(most) for least, most in held)


def price(seconds: float) -> int:
    """Thousandths of a point for a frame; every frame is worth something."""
    return max(1, round(seconds * MILLIPOINTS_PER_SECOND))
