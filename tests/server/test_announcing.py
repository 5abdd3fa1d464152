"""A farm on the local network is found by the client, which asks the network as it does for its owner."""

import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sheepfold.client.discovery import find_farms
from sheepfold.server.announcing import announced, announcement
from sheepfold.server.core.config import config
from tests.conftest import EmptyFarm
from tests.e2e.running import FarmProcess, wait_until

LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def marker() -> Iterator[str]:
    """Another farm: what asks for farms hears of it, and of all that is there as well."""
    with announcement("http://127.0.0.1:8123", 8123, LOOPBACK, LOOPBACK):
        yield "http://127.0.0.1:8123"


def found(url: str) -> bool:
    return url in find_farms(seconds=20, interfaces=LOOPBACK)


def test_an_announced_farm_is_found_until_it_ends() -> None:
    url = "http://127.0.0.1:8124"
    with announcement(url, 8124, LOOPBACK, LOOPBACK):
        wait_until(lambda: found(url), "the farm is found")
    assert url not in find_farms(seconds=1, interfaces=LOOPBACK)


def test_two_farms_of_one_machine_are_both_found(marker: str) -> None:
    url = "http://127.0.0.1:8125"
    with announcement(url, 8125, LOOPBACK, LOOPBACK):
        wait_until(lambda: {marker, url} <= set(find_farms(seconds=20, interfaces=LOOPBACK)), "both are found")


@pytest.mark.parametrize(("host", "announce"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_farm_for_this_machine_alone_or_of_an_operator_who_minds_is_not_announced(
    host: str, announce: bool, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "http://not-announced.example"
    settings = config().model_copy(update={"announce": announce, "public_url": own})
    monkeypatch.setattr("sheepfold.server.announcing.config", lambda: settings)
    with socket.create_server((host, 0)) as listening, announced(listening):
        wait_until(lambda: marker in find_farms(seconds=20), "the other farm is found")
        assert own not in find_farms(seconds=20)


@pytest.mark.parametrize("public_url", ["", "https://farm.example/"])
def test_a_farm_for_others_says_how_it_is_reached(public_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config().model_copy(update={"public_url": public_url})
    monkeypatch.setattr("sheepfold.server.announcing.config", lambda: settings)
    with socket.create_server(("0.0.0.0", 0)) as listening, announced(listening):
        port = listening.getsockname()[1]
        urls = {f"http://{address}:{port}" for address in own_addresses()} if not public_url else {public_url[:-1]}
        wait_until(lambda: bool(urls & set(find_farms(seconds=20))), "the farm is found at an address of this machine")


def own_addresses() -> list[str]:
    cards = psutil.net_if_addrs().values()
    return [one.address for card in cards for one in card if one.family == socket.AF_INET]


@pytest.mark.database
def test_serve_announces_the_farm(empty_farm: EmptyFarm, tmp_path: Path) -> None:
    url = f"https://{uuid.uuid4().hex}.example"
    farm = FarmProcess(empty_farm, tmp_path / "farm.log", {"SHEEPFOLD_PUBLIC_URL": f"{url}/"}, host="0.0.0.0")
    farm.start()
    wait_until(lambda: url in find_farms(seconds=20), "the farm is found")
    farm.stop()
