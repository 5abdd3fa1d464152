import pytest

from sheepfold.commands.machines import MACHINES, STOPS
from sheepfold.server.machines.models import StopWish

MACHINE = {"disabled_reason": "", "stop": "", "paused": False, "connected": True}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "connected"),
        ({"connected": False}, "away"),
        ({"paused": True}, "paused"),
        ({"stop": "stop-now", "paused": True}, "is being stopped"),
        ({"disabled_reason": "it smokes", "stop": "stopped"}, "disabled: it smokes"),
    ],
)
def test_the_state_of_a_machine_is_what_matters_most(change: dict[str, object], words: str) -> None:
    state = next(column for column in MACHINES if column.head == "state")
    assert state.cell({**MACHINE, **change}) == words


def test_every_wish_of_the_site_has_words() -> None:
    assert set(STOPS) == set(StopWish.values) - {""}
