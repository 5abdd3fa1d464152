"""A farm that is broken in one way, for each scenario of the simulator: the scenario must find it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sheepfold.simulator.scenarios import SCENARIOS
from tests.conftest import EmptyFarm

pytestmark = [pytest.mark.second_worker, pytest.mark.timeout(200)]

BROKEN = Path(__file__).parent / "broken"
MACHINES, TILES = 20, 30
OUTAGE_TILES = 200  # so that some are left when the outage comes
SECONDS, LEASE_SECONDS = 6, 2  # a broken farm may never be done
COMPLAINTS = {
    "steady": "earned",
    "class-room": "was never finished",
    "outage": "was never finished",
    "poisoned": "was never finished",
    "broken-lab": "was given up although it can be rendered",
    "cheats": "wrong pictures and was not found",
    "slow-links": "sent a good picture",
    "vanishing": "leases are open although nobody renders",
    "clocks-off": "earned",
    "stutter": "sent a good picture",
}


def test_every_scenario_has_been_seen_failing() -> None:
    assert COMPLAINTS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("scenario", COMPLAINTS)
def test_a_scenario_finds_what_it_was_made_to_find(empty_farm: EmptyFarm, scenario: str) -> None:
    command = [sys.executable, "-m", "sheepfold", "simulate", "--scenario", scenario, "--machines", str(MACHINES)]
    tiles = OUTAGE_TILES if scenario == "outage" else TILES
    command += ["--tiles", str(tiles), "--seconds", str(SECONDS), "--json"]
    breaking = {
        "PYTHONPATH": str(BROKEN),
        "SHEEPFOLD_TEST_BROKEN": scenario,
        "SHEEPFOLD_LEASE_HOURS": str(LEASE_SECONDS / 3600),
    }
    done = subprocess.run(command, env=os.environ | empty_farm.settings | breaking, capture_output=True, text=True)

    differences = json.loads(done.stdout)["differences"]
    assert done.returncode == 1
    assert any(COMPLAINTS[scenario] in line for line in differences), differences[:10]
