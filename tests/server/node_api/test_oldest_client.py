"""An admin may shut out clients that are too old: they are told 101, and nothing else changes."""

from collections.abc import Iterator

import pytest

from sheepfold.server.accounts.actions import create_render_key, create_user
from sheepfold.server.core.models import Attempt
from sheepfold.server.core.switches import set_oldest_client
from sheepfold.server.machines.models import Machine, Session
from tests.e2e.clients import CLIENTS
from tests.e2e.clients.wire import Unusable, Wire
from tests.server.conftest import Server


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server.host, server.port)
    yield wire
    wire.close()


@pytest.fixture
def key(transactional_db: None) -> str:
    return create_render_key(user=create_user(username="ada", password="secret"), name="box")[1]


def who_gets_in(wire: Wire, key: str) -> set[str]:
    admitted = set()
    for generation, client in CLIENTS.items():
        try:
            client(wire, "ada", key).login()
            admitted.add(generation)
        except Unusable:
            assert wire.exchanges[-1][1].endswith(b'<config status="101"/>')
    return admitted


@pytest.mark.parametrize(
    ("year", "shut_out"),
    [
        (0, set()),
        (2017, {"java-2015", "java-2016"}),
        (2020, {"java-2015", "java-2016", "java-2017", "java-2018", "go-2017"}),
        (2022, set(CLIENTS) - {"java-2022", "rust-2024", "sheepfold"}),
    ],
)
def test_clients_from_a_year_on_get_in(wire: Wire, key: str, year: int, shut_out: set[str]) -> None:
    set_oldest_client(year=year)

    assert who_gets_in(wire, key) == set(CLIENTS) - shut_out

    assert Session.objects.count() == Machine.objects.count() == len(CLIENTS) - len(shut_out)
    assert Attempt.objects.count() == 0


def test_an_open_session_goes_on(wire: Wire, key: str) -> None:
    client = CLIENTS["java-2015"](wire, "ada", key)
    client.login()

    set_oldest_client(year=2020)

    assert client.beat(None) == 0
    set_oldest_client(year=0)
    assert who_gets_in(wire, key) == set(CLIENTS)
