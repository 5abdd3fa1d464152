"""The S3 server is slow, fails, breaks connections and lies, while machines hand in frames."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sheepfold.environment.seaweed import s3_server
from tests.conftest import EmptyFarm
from tests.e2e.faults.engines import BucketFarm
from tests.e2e.faults.load import loaded
from tests.e2e.faults.lying_proxy import Mood, Proxy, lying_proxy
from tests.e2e.running import FarmProcess, run_python, wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(200)]

TILES = 90
SUFFERED = 6  # requests to the bucket, before the proxy is honest again


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    folder = tmp_path / "s3"
    folder.mkdir()
    with s3_server(folder) as endpoint, lying_proxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def serving(empty_farm: EmptyFarm, proxy: Proxy, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = BucketFarm(empty_farm.data_dir, empty_farm.database_url, proxy.endpoint)
    serving = FarmProcess(farm, tmp_path / "farm.log")
    yield serving
    serving.stop()


def test_no_frame_is_lost_while_the_bucket_fails_and_lies(
    serving: FarmProcess, proxy: Proxy, record_property: Callable[[str, object], None]
) -> None:
    moods = [mood for mood in Mood if mood is not Mood.HONEST]
    with loaded(serving.farm, serving.start, TILES) as load:
        for mood in moods:
            load.suffer(f"the bucket is {mood.name.lower()}", partial(_put_into, proxy, mood))

    run_python(serving.farm, "-m", "sheepfold", "verify", "--read")
    assert load.ledger.troubles["frame not kept"] > 0
    load.report(record_property)


def _put_into(proxy: Proxy, mood: Mood) -> None:
    before = proxy.hits.get(mood, 0)
    proxy.mood = mood
    wait_until(lambda: proxy.hits.get(mood, 0) >= before + SUFFERED, f"the bucket is {mood.name}")
    proxy.mood = Mood.HONEST
