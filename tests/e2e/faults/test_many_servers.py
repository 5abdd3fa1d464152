"""Several servers over PostgreSQL and S3: each part is killed at work, clocks differ, a new version comes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import httpx2
import pytest

from tests.e2e.faults.balancer import Balancer, balancer
from tests.e2e.faults.engines import Engines, Server, engines
from tests.e2e.faults.load import MACHINES, closing_books, loaded
from tests.e2e.running import FarmProcess, run_python, wait_until

pytestmark = [pytest.mark.second_worker, pytest.mark.timeout(250)]

Record = Callable[[str, object], None]
BROKEN = Path(__file__).parent / "broken"
TEN_MINUTES_FAST = {"PYTHONPATH": str(BROKEN), "SHEEPFOLD_TEST_BROKEN": "fast clock"}
TOMORROW = {"PYTHONPATH": str(BROKEN), "SHEEPFOLD_TEST_BROKEN": "tomorrow"}
TOGETHER = 10  # frames, while both versions serve
SEED = 2024
TILES, TILES_OF_TWO_VERSIONS = 90, 150


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Engines]:
    with engines(tmp_path) as running:
        yield running


def test_no_tile_is_lost_when_any_part_is_killed(running: Engines, tmp_path: Path, record_property: Record) -> None:
    serving = FarmProcess(running.farm, tmp_path / "farm.log")
    kills = {
        "kill -9 of web": lambda: serving.kill_child("web"),
        "kill -9 of background": lambda: serving.kill_child("background"),
        "kill -9 of PostgreSQL": running.kill_postgres,
        "kill -9 of the S3 server": running.kill_s3,
    }
    random = Random(SEED)
    with ExitStack() as ending, loaded(running.farm, serving.start, TILES) as load:
        ending.callback(serving.stop)
        for name in random.sample(list(kills), len(kills)):
            load.await_more(random.randrange(1, 5))
            load.suffer(name, kills[name])

    run_python(running.farm, "-m", "sheepfold", "verify", "--read")
    load.report(record_property)


def test_no_lease_ends_early_when_the_clocks_of_two_servers_differ(running: Engines, record_property: Record) -> None:
    """The fast one has the timers, and machines come to either by turns."""
    servers = [
        Server(running.farm, "web"),
        Server(running.farm, "web", TEN_MINUTES_FAST),
        Server(running.farm, "background", TEN_MINUTES_FAST),
    ]
    with _in_front_of(servers) as (front, start), loaded(running.farm, start, TILES) as load:
        load.finish()

    assert len(front.ports) == 2
    with closing_books(running.farm) as books:
        assert books.number("""SELECT count(*) FROM dispatch_lease WHERE "end" = 'expired'""") == 0
        assert books.number("SELECT count(*) FROM machines_session WHERE status = 'expired'") == 0
    assert load.ledger.logins == MACHINES


def test_a_new_version_comes_while_machines_work(running: Engines, record_property: Record) -> None:
    """Started before its migration it says that it is not ready; afterwards both versions serve, then the new alone."""
    old = [Server(running.farm, "web"), Server(running.farm, "background")]
    new = [Server(running.farm, "web", TOMORROW), Server(running.farm, "background", TOMORROW)]
    with _in_front_of([*old, *new]) as (front, start):

        def start_in_front_of_the_old() -> str:
            url = start()
            front.ports = [old[0].port]
            return url

        def deploy() -> None:
            assert "run `sheepfold migrate`" in _readiness(new[0])
            run_python(running.farm, "-m", "sheepfold", "migrate", settings=TOMORROW)
            wait_until(lambda: _readiness(new[0]) == "ready\n", "the new version is ready")
            front.ports = [old[0].port, new[0].port]
            load.await_more(TOGETHER)
            front.ports = [new[0].port]
            for server in old:
                server.stop()

        with loaded(running.farm, start_in_front_of_the_old, TILES_OF_TWO_VERSIONS) as load:
            load.suffer("a new version", deploy)

    load.report(record_property)


def _readiness(server: Server) -> str:
    return httpx2.get(f"http://127.0.0.1:{server.port}/readyz", timeout=60).text


@contextmanager
def _in_front_of(servers: list[Server]) -> Iterator[tuple[Balancer, Callable[[], str]]]:
    """One address for the servers, which start when it is asked for."""
    with balancer([]) as front, ExitStack() as ending:

        def start() -> str:
            for server in servers:
                ending.callback(server.stop)
                server.start()
            front.ports = [server.port for server in servers if server.port]
            return front.url

        yield front, start
