"""The network between a client and its farm is cut in each upload, at another byte each time."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sheepfold.client.config import Settings, write_key
from sheepfold.client.events import FrameAccepted, FrameRefused
from tests.client.running import Run
from tests.conftest import EmptyFarm
from tests.e2e.books import open_books
from tests.e2e.faults.cutting_proxy import Cut, Way, cutting_proxy
from tests.e2e.running import FarmProcess, fill_with_stand_in, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

PARTS = {Way.REQUEST_HEAD: 6, Way.REQUEST_BODY: 16, Way.ANSWER: 8}  # into how many ranges each is divided
CUTS = [Cut(way, number / count) for way, count in PARTS.items() for number in range(count + 1)]


@pytest.fixture
def serving(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    serving = FarmProcess(empty_farm, tmp_path / "farm.log")
    yield serving
    serving.stop()


def test_a_frame_whose_upload_is_cut_anywhere_counts_once(
    serving: FarmProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sheepfold.client.waits._AFTER_TROUBLE", (0.05,))
    key = tmp_path / "key"
    write_key(key, fill_with_stand_in(serving.farm, tmp_path, {"hold": []}, len(CUTS)))
    address = urlsplit(serving.start())
    with cutting_proxy((address.hostname or "", address.port or 0), CUTS) as network:
        settings = Settings(
            server=network.url, login="ada", key_file=key, cache_dir=tmp_path / "cache", cage="none", living=False
        )
        client = Run(settings)
        books = open_books(serving.farm)
        wait_until(lambda: books.done() == len(CUTS), "all tiles are done")
        client.wait_for(FrameAccepted, len(CUTS))
        client.stop()

    assert network.made == set(range(1, len(CUTS) + 1))
    assert client.of(FrameRefused) == []
    assert list(books.accepted_per_tile().values()) == [1] * len(CUTS)
    assert books.open_leases() == 0
    assert list((tmp_path / "cache" / "outbox").iterdir()) == []
    books.check()
