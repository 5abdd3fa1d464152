"""Switches that admins set while the farm runs."""

import pytest

from sheepfold.server.core import switches
from sheepfold.server.core.models import Switch
from sheepfold.server.core.switches import FarmSwitch, set_switch, switches_on


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what an earlier test read."""
    monkeypatch.setattr(switches, "_known_at", -1e9)


def test_a_switch_is_on_until_it_is_set_off(db: None) -> None:
    set_switch(switch=FarmSwitch.MAINTENANCE, on=True)
    assert switches_on() == {FarmSwitch.MAINTENANCE}
    set_switch(switch=FarmSwitch.MAINTENANCE, on=False)
    assert switches_on() == frozenset()


def test_other_rows_of_the_table_are_no_switches(db: None) -> None:
    Switch.objects.create(name="farm_numbers", value="on")
    assert switches_on() == frozenset()
