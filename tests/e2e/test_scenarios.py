"""Crowds of simulated machines against a real server: small versions of what `sheepfold simulate` runs at any size.

Each scenario is also seen failing on a server that is broken on purpose: see `faults/test_broken_farms.py`.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import EmptyFarm
from tests.e2e.books import open_books

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

TILES = 30


def simulate(farm: EmptyFarm, scenario: str, machines: int = 10) -> dict[str, Any]:
    """The report of a run without differences; the farm's rows are also read without the farm's own code."""
    command = [sys.executable, "-m", "sheepfold", "simulate", "--scenario", scenario, "--machines", str(machines)]
    command += ["--tiles", str(TILES), "--seconds", "90", "--json"]
    done = subprocess.run(command, env=os.environ | farm.settings, capture_output=True, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    assert (report["differences"], done.returncode) == ([], 0)
    open_books(farm).check()
    return report


def test_steady_volunteers(empty_farm: EmptyFarm) -> None:
    """Failed when an owner paid twice the price of a frame."""
    report = simulate(empty_farm, "steady")
    assert (report["tiles_done"], report["upload_answers"]) == (TILES, {"0": TILES})


def test_a_class_room_that_logs_in_at_once(empty_farm: EmptyFarm) -> None:
    """Failed when a claim handed a tile out without marking it as rendering."""
    report = simulate(empty_farm, "class-room")
    assert (report["tiles_done"], report["logins"], report["jobs"]) == (TILES, 10, TILES)


def test_everybody_comes_back_after_an_outage(empty_farm: EmptyFarm) -> None:
    """Failed when the new login of a machine ended its old session and left the leases of that open."""
    report = simulate(empty_farm, "outage")
    assert (report["tiles_done"], report["outages"]) == (TILES, 1)


def test_poisoned_projects_fail_alone(empty_farm: EmptyFarm) -> None:
    """Failed when a failed tile was not counted (it was handed out for ever), and when failing two owners was enough
    to be shut out: two broken scenes then cost the farm all its machines."""
    report = simulate(empty_farm, "poisoned")
    assert (report["tiles_done"], report["tiles_failed"]) == (TILES // 3, TILES * 2 // 3)
    assert "203" not in report["work_answers"]


def test_a_broken_lab_is_shut_out_and_costs_no_frame(empty_farm: EmptyFarm) -> None:
    """Failed when no machine was shut out: tiles that three broken machines had tried were given up."""
    report = simulate(empty_farm, "broken-lab")
    assert (report["tiles_done"], report["work_answers"]["203"]) == (TILES, 4)


def test_machines_that_send_plausible_wrong_pictures(empty_farm: EmptyFarm) -> None:
    """Failed when nothing was verified, and when the frames that a machine sent before it was found stayed."""
    report = simulate(empty_farm, "cheats")
    assert (report["tiles_done"], report["tiles_failed"]) == (TILES, 0)
    assert report["cheats_found"] >= 1  # the one that never sent a right picture; the other one by chance


def test_slow_links(empty_farm: EmptyFarm) -> None:
    """Failed when each piece of an upload overwrote the one before."""
    report = simulate(empty_farm, "slow-links")
    assert (report["tiles_done"], report["upload_answers"]) == (TILES, {"0": TILES})


def test_machines_that_vanish_in_the_middle_of_a_frame(empty_farm: EmptyFarm) -> None:
    """Failed when leases did not end by time."""
    report = simulate(empty_farm, "vanishing")
    assert (report["tiles_done"], report["vanished"]) == (TILES, 2)


def test_uploads_again_and_again_late_and_reported_as_failed(empty_farm: EmptyFarm) -> None:
    """Failed when the token of an accepted frame was refused as unknown instead of answered 0 again."""
    report = simulate(empty_farm, "stutter")
    assert report["tiles_done"] == TILES
    assert report["upload_answers"]["0"] > TILES


def test_machines_whose_clocks_are_set_while_they_render(empty_farm: EmptyFarm) -> None:
    """Failed when a machine was paid the time that it told."""
    report = simulate(empty_farm, "clocks-off")
    assert (report["tiles_done"], report["upload_answers"]) == (TILES, {"0": TILES})
