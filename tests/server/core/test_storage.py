"""The store keeps the same promises on disk and in a real S3 server."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from sheepfold.environment.seaweed import BUCKET, KEY_ID, SECRET, s3_server
from sheepfold.server.core.config import ServerConfig
from sheepfold.server.core.errors import BadInput, NotFound, Unavailable
from sheepfold.server.core.storage import PART, DiskStorage, S3Storage, Storage

ABSENT = "0" * 64
WOOL = b"baa baa black sheep " * 500


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


def bucket(endpoint: str, folder: Path, *, secret: str = SECRET) -> S3Storage:
    (folder / "tmp").mkdir(exist_ok=True)
    settings = ServerConfig(
        data_dir=folder,
        storage_url=f"s3://{BUCKET}/{folder.name}",
        storage_endpoint=endpoint,
        storage_key_id=KEY_ID,
        storage_secret=secret,
    )
    return S3Storage(settings)


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return bucket(request.getfixturevalue("endpoint"), tmp_path)
    (tmp_path / "tmp").mkdir()
    return DiskStorage(tmp_path / "blobs", tmp_path / "tmp")


def streamed(storage: Storage, sha256: str, start: int = 0, end: int | None = None) -> bytes:
    async def collect() -> bytes:
        return b"".join([chunk async for chunk in storage.stream(sha256, start, end)])

    return asyncio.run(collect())


def test_a_kept_file_is_known_by_its_hashes_and_read_back_whole(storage: Storage, tmp_path: Path) -> None:
    draft = tmp_path / "tmp" / "draft"
    draft.write_bytes(WOOL)
    ref = storage.keep(draft, "text/plain")
    assert (ref.sha256, ref.md5) == (hashlib.sha256(WOOL).hexdigest(), hashlib.md5(WOOL).hexdigest())
    assert (ref.size, ref.media_type) == (len(WOOL), "text/plain")
    assert storage.read(ref.sha256) == WOOL
    assert not draft.exists()


def test_a_file_of_several_parts_comes_back_as_it_went_in(storage: Storage, tmp_path: Path) -> None:
    data = os.urandom(PART + 12345)
    draft = tmp_path / "tmp" / "draft"
    draft.write_bytes(data)
    ref = storage.keep(draft, "application/zip")
    with storage.local(ref.sha256) as path:
        assert path.read_bytes() == data


@pytest.mark.parametrize(("start", "end"), [(0, None), (5, None), (0, 1), (5, 12), (len(WOOL) - 3, None), (7, 7)])
def test_a_range_streams_exactly_its_bytes(storage: Storage, start: int, end: int | None) -> None:
    ref = storage.keep_bytes(WOOL, "text/plain")
    assert streamed(storage, ref.sha256, start, end) == WOOL[start:end]


def test_the_same_bytes_are_kept_once_and_keeping_leaves_no_temporary_file(storage: Storage, tmp_path: Path) -> None:
    first, second = storage.keep_bytes(WOOL, "text/plain"), storage.keep_bytes(WOOL, "text/plain")
    assert first == second
    assert list(storage.hashes()) == [first.sha256]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_only_what_was_kept_long_ago_is_listed_before_a_time(storage: Storage) -> None:
    ref = storage.keep_bytes(WOOL, "text/plain")
    now = datetime.now(UTC)
    assert list(storage.hashes(before=now - timedelta(hours=1))) == []
    assert list(storage.hashes(before=now + timedelta(hours=1))) == [ref.sha256]


def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_failure(storage: Storage) -> None:
    ref = storage.keep_bytes(WOOL, "text/plain")
    storage.delete(ref.sha256)
    storage.delete(ref.sha256)
    assert not storage.exists(ref.sha256)
    assert list(storage.hashes()) == []


def test_an_absent_blob_is_not_found_whichever_way_it_is_asked_for(storage: Storage) -> None:
    assert not storage.exists(ABSENT)
    assert storage.path(ABSENT) is None
    with pytest.raises(NotFound):
        storage.read(ABSENT)
    with pytest.raises(NotFound):
        streamed(storage, ABSENT)
    with pytest.raises(NotFound), storage.local(ABSENT):
        pass


def test_the_local_copy_of_a_bucket_vanishes_after_use(endpoint: str, tmp_path: Path) -> None:
    storage = bucket(endpoint, tmp_path)
    ref = storage.keep_bytes(WOOL, "text/plain")
    with storage.local(ref.sha256) as path:
        assert path.read_bytes() == WOOL
    assert not path.exists()


def test_a_signed_url_serves_the_blob_without_the_farms_keys(endpoint: str, tmp_path: Path) -> None:
    storage = bucket(endpoint, tmp_path)
    ref = storage.keep_bytes(WOOL, "text/plain")
    url = storage.signed_url(ref.sha256)
    assert url is not None
    answer = httpx2.get(url, headers={"Range": "bytes=0-2"})
    assert (answer.status_code, answer.content) == (206, WOOL[:3])
    assert httpx2.get(url.partition("?")[0]).status_code == 403


def test_a_bucket_that_refuses_is_unavailable_and_the_file_stays(endpoint: str, tmp_path: Path) -> None:
    storage = bucket(endpoint, tmp_path, secret="wrong")
    draft = tmp_path / "tmp" / "draft"
    draft.write_bytes(WOOL)
    with pytest.raises(Unavailable, match="try again later"):
        storage.keep(draft, "text/plain")
    assert draft.read_bytes() == WOOL


def test_a_damaged_blob_on_disk_is_healed_by_keeping_it_again(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    storage = DiskStorage(tmp_path / "blobs", tmp_path / "tmp")
    ref = storage.keep_bytes(WOOL, "text/plain")
    path = storage.path(ref.sha256)
    assert path is not None
    path.write_bytes(b"moths")
    storage.keep_bytes(WOOL, "text/plain")
    assert storage.read(ref.sha256) == WOOL


@pytest.mark.parametrize("url", ["/some/folder", "http://bucket/x", "s3:///nothing"])
def test_an_url_that_names_no_bucket_is_refused_in_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="write s3://bucket/prefix"):
        S3Storage(ServerConfig(data_dir=tmp_path, storage_url=url))
