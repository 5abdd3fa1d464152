"""Timers outlive what breaks in them."""

from datetime import datetime

import pytest
from django.db import OperationalError

from sheepfold.server.pipeline.timers import Timer, run_due


def test_a_timer_that_breaks_stops_no_other_and_is_due_again_at_its_time() -> None:
    called: list[datetime] = []

    def breaks(_: datetime) -> None:
        raise OSError("no space left on device")

    broken, sound = Timer(5, breaks), Timer(7, called.append)
    due = {broken: 0.0, sound: 0.0}
    run_due(due, 100.0)
    assert (len(called), due) == (1, {broken: 105.0, sound: 107.0})


def test_a_database_that_is_gone_ends_the_round_so_that_another_process_may_lead() -> None:
    def breaks(_: datetime) -> None:
        raise OperationalError("the connection is closed")

    timer = Timer(5, breaks)
    due = {timer: 0.0}
    with pytest.raises(OperationalError, match="the connection is closed"):
        run_due(due, 100.0)
    assert due == {timer: 0.0}
