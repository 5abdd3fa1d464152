"""When the owner does not want the machine to render."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sheepfold.client.conditions import Machine, why_wait
from sheepfold.client.config import Settings
from sheepfold.client.idle import parse_ioreg

MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def machine(mains: bool = True, programs: tuple[str, ...] = (), idle: float | None = 5.0) -> Machine:
    return Machine(lambda: MONDAY_NOON, lambda: mains, lambda: programs, lambda: idle)


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, machine(mains=False, programs=("game",)), None),
        ({"timetable": "mon 11:00-13:00"}, machine(), None),
        ({"timetable": "tue 22:00-06:00"}, machine(), "outside of your timetable until Tuesday 22:00"),
        ({"only_on_mains": True}, machine(mains=False), "this machine is on battery"),
        ({"only_on_mains": True}, machine(), None),
        ({"not_while": ("Game.exe",)}, machine(programs=("sh", "game")), "Game.exe is running"),
        ({"not_while": ("game",)}, machine(programs=("gamepad",)), None),
        ({"idle_minutes": 1}, machine(idle=59.0), "somebody is using this machine"),
        ({"idle_minutes": 1}, machine(idle=60.0), None),
        ({"idle_minutes": 1}, machine(idle=None), None),
    ],
)
def test_reason_to_wait(
    changes: dict[str, object], state: Machine, reason: str | None, settings: Callable[..., Settings]
) -> None:
    assert why_wait(settings("http://farm", **changes), state) == reason


def test_real_machine_answers(settings: Callable[..., Settings]) -> None:
    wish = settings("http://farm", only_on_mains=True, not_while=("no such program",), idle_minutes=0)
    assert why_wait(wish) is None
    assert why_wait(settings("http://farm", not_while=("python", "python3", "pytest", "python3.11"))) is not None


def test_idle_time_of_a_mac() -> None:
    assert parse_ioreg('  |   "HIDIdleTime" = 12500000000\n') == 12.5
    assert parse_ioreg("") is None
