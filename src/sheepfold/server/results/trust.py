"""How far a machine is trusted, how many of its frames are verified, and whose picture is right. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

TRUSTED = 4  # agreements; a machine that never failed has them after about 15 frames
LEAST_RATE = 0.05  # of the frames of a trusted machine
MOST_OPEN = 2  # verifications of one machine: if one finds it wrong, all since its last agreed frame is done again
MOST_PICTURES = 5  # of one frame; a scene that no two machines render alike cannot be verified
MEMBERS = 2  # of different owners must agree


def sample_rate(agreed: int) -> float:
    """The share of a machine's frames that are verified, by how often it agreed since it was last wrong."""
    return max(LEAST_RATE, 0.5 ** max(0, agreed))


def is_trusted(agreed: int) -> bool:
    """Whether less than a tenth of its frames are verified."""
    return agreed >= TRUSTED


@dataclass(frozen=True, slots=True)
class Picture:
    """One machine's picture of the frame. Those of one `camp` look alike; None: not yet compared."""

    id: int
    machine_id: int
    agreed: int  # of its machine, before this frame
    camp: int | None = None


@dataclass(frozen=True, slots=True)
class Agreed:
    """These pictures are right, and those are wrong."""

    right: tuple[Picture, ...]
    wrong: tuple[Picture, ...]


class Open(Enum):
    """`DOUBTFUL`: one more machine has to render it. `HOPELESS`: no two render it alike, so nobody is wrong."""

    DOUBTFUL = auto()
    HOPELESS = auto()


Decision: TypeAlias = Agreed | Open


def join(pictures: Sequence[Picture], new: Picture, alike: frozenset[int]) -> list[Picture]:
    """The pictures with the new one, put into the camp of those that look like it; it unites the camps of several."""
    united = {picture.camp for picture in pictures if picture.id in alike}
    camp = min((one for one in united if one is not None), default=new.id)
    moved = [replace(picture, camp=camp) if picture.camp in united else picture for picture in pictures]
    return [*moved, replace(new, camp=camp)]


def decide(pictures: Sequence[Picture]) -> Decision:
    """A camp is right when it has two members and more weight than all others together.

    So machines that nobody knows cannot outvote one that has agreed with many, and two who agree by chance or by
    arrangement do not bring down an honest third: more machines are asked instead.
    """
    camps: defaultdict[int | None, list[Picture]] = defaultdict(list)
    for picture in pictures:
        camps[picture.camp].append(picture)
    largest = max(camps.values(), key=_weight)
    if len(largest) >= MEMBERS and 2 * _weight(largest) > _weight(pictures):
        return Agreed(tuple(largest), tuple(one for one in pictures if one not in largest))
    return Open.DOUBTFUL if len(pictures) < MOST_PICTURES else Open.HOPELESS


def _weight(camp: Sequence[Picture]) -> int:
    return sum(1 + min(picture.agreed, TRUSTED) for picture in camp)
