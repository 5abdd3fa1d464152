"""All machines of a scenario at once, until the farm has nothing left to do."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from random import Random

import httpx2

from sheepfold.simulator.ledger import Ledger
from sheepfold.simulator.machine import Account, Machine, Task
from sheepfold.simulator.scenarios import Scenario
from sheepfold.simulator.wire import Wire

LOOK_SECONDS = 0.3  # between two looks at whether the farm is done
PATIENCE_SECONDS = 30  # for one request
OUTAGE_FRAMES = 10  # taken before the outage


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many machines do what. `seed` decides about everything that is random."""

    scenario: Scenario
    machines: int
    seed: int
    server: str
    accounts: Sequence[Account]  # of the machines' owners, who take turns
    task: Task


@dataclass(frozen=True, slots=True)
class Stage:
    """What the crowd is told from outside: whether the farm is done, and how to make its servers die."""

    is_done: Callable[[], bool]
    cut_power: Callable[[], None]
    seconds: float  # after which the crowd gives up, once somebody was let in


def simulate(crowd: Crowd, stage: Stage, ledger: Ledger | None = None) -> Ledger:
    """Run the scenario. Returns what the machines saw; who gives a ledger of its own may read it meanwhile."""
    return asyncio.run(_simulate(crowd, stage, ledger or Ledger()))


async def _simulate(crowd: Crowd, stage: Stage, ledger: Ledger) -> Ledger:
    over = asyncio.Event()
    async with _http(crowd.machines) as http, asyncio.TaskGroup() as tasks:
        for machine in _machines(crowd, http, ledger, over):
            tasks.create_task(machine.live())
        await _until_done(crowd.scenario, stage, ledger)
        over.set()
    return ledger


def _http(machines: int) -> httpx2.AsyncClient:
    """Shared by all machines, so it must not keep cookies: each machine has its own."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=machines)
    return httpx2.AsyncClient(timeout=PATIENCE_SECONDS, limits=limits, cookies=no_cookies)


def _machines(crowd: Crowd, http: httpx2.AsyncClient, ledger: Ledger, over: asyncio.Event) -> list[Machine]:
    machines = []
    for number in range(crowd.machines):
        random = Random(f"{crowd.seed} {number}")  # noqa: S311  repeatable on purpose
        account = crowd.accounts[number % len(crowd.accounts)]
        habits, wire = crowd.scenario.habits(number, random), Wire(http, crowd.server, ledger)
        machines.append(Machine(number, account, crowd.task, habits, random, wire, ledger, over))
    return machines


async def _until_done(scenario: Scenario, stage: Stage, ledger: Ledger) -> None:
    clock = asyncio.get_running_loop().time
    patient_until, end = clock() + PATIENCE_SECONDS, clock() + stage.seconds
    while not await asyncio.to_thread(stage.is_done):
        if not ledger.logins and clock() < patient_until:  # the servers are starting
            end = clock() + stage.seconds
        if clock() > end:
            ledger.surprises.append(f"the farm was not done after {stage.seconds:.0f} s")
            return
        if scenario.outage and not ledger.outages and len(ledger.taken) >= OUTAGE_FRAMES:
            ledger.outages += 1
            await asyncio.to_thread(stage.cut_power)
        await asyncio.sleep(LOOK_SECONDS)
