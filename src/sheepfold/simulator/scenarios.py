"""Who takes part and how they behave. Pure: the same seed gives the same crowd."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

YEAR = 365 * 24 * 3600.0  # seconds
Span: TypeAlias = tuple[float, float]  # seconds, from and to


@dataclass(frozen=True, slots=True)
class Habits:
    """How one machine behaves."""

    starts_after: float = 0.0  # seconds after the beginning
    rendering: Span = (0.05, 0.3)
    own_client: bool = True  # Sheepfold's, else one that speaks the bare specification
    undecodable: bool = False  # sends what is no picture
    upload_seconds: float = 0.0  # for which each upload is stretched
    vanishes_at: int = 0  # it is switched off in the middle of its so-manyth frame; 0: never
    repeats: bool = False  # sends each frame twice at once, and once more
    late: float = 0.0  # chance that it logs out first and uploads then
    reports_after: bool = False  # an error, after the frame was taken
    wrong_from: int = 0  # its so-manyth frame and all after it show something else; 0: none
    clock_jumps: float = 0.0  # seconds by which its clock is set while it renders


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named experiment. `poisoned`: of so many projects every tile fails. `outage`: all servers die once.

    `owners`: of the machines; where there are several, the farm verifies frames.
    """

    name: str
    words: str
    habits: Callable[[int, Random], Habits]  # of a machine by its number
    poisoned: int = 0
    outage: bool = False
    owners: int = 1


def _volunteer(number: int, random: Random) -> Habits:
    return Habits(starts_after=random.uniform(0, 2), own_client=random.random() < 0.5)


def _class_room(number: int, random: Random) -> Habits:
    return Habits(rendering=(0.2, 0.4))


def _broken_lab(number: int, random: Random) -> Habits:
    return Habits(starts_after=random.uniform(0, 0.5), undecodable=number % 5 < 2)


def _slow_link(number: int, random: Random) -> Habits:
    return Habits(starts_after=random.uniform(0, 1), upload_seconds=random.choice((0.0, 0.5, 1.5)))


def _vanishing(number: int, random: Random) -> Habits:
    return Habits(vanishes_at=1 if number % 5 == 0 else 0, own_client=random.random() < 0.5)


def _stuttering(number: int, random: Random) -> Habits:
    return Habits(
        repeats=random.random() < 0.5,
        late=random.choice((0.0, 0.3)),
        reports_after=random.random() < 0.5,
        own_client=random.random() < 0.5,
    )


def _clock_off(number: int, random: Random) -> Habits:
    return Habits(clock_jumps=random.choice((0.0, -3600.0, 10 * YEAR)), own_client=random.random() < 0.5)


def _cheats(number: int, random: Random) -> Habits:
    """One machine of ten cheats from the beginning, another one when it may be trusted a little."""
    wrong_from = {1: 1, 6: 3}.get(number % 10, 0)
    return Habits(rendering=(0.3, 0.6), wrong_from=wrong_from, own_client=random.random() < 0.5)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("steady", "volunteers who come and render", _volunteer),
        Scenario("class-room", "everybody logs in at once", _class_room),
        Scenario("outage", "every server process dies, and everybody comes back at once", _class_room, outage=True),
        Scenario("poisoned", "two projects that no machine can render beside a good one", _volunteer, poisoned=2),
        Scenario("broken-lab", "two machines of five send what is no picture", _broken_lab),
        Scenario("slow-links", "uploads that trickle", _slow_link),
        Scenario(
            "vanishing", "every fifth machine is switched off in the middle of a frame, and comes back", _vanishing
        ),
        Scenario("cheats", "one machine of five sends pictures of something else", _cheats, owners=4),
        Scenario("clocks-off", "clocks that are set while a frame is rendered, by hours and years", _clock_off),
        Scenario(
            "stutter", "uploads sent again and again, or after logout, and errors reported of taken frames", _stuttering
        ),
    )
}
