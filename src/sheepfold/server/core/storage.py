"""Blobs: bytes kept once under their SHA-256, in the data folder or in an S3 bucket.

Temporary files lie in `config().tmp_dir`, on the filesystem of the data folder: keeping one is a rename.
"""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store
from prometheus_client import Counter

from sheepfold.server.core import durable
from sheepfold.server.core.config import ServerConfig, config
from sheepfold.server.core.errors import BadInput, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

CHUNK = 1024 * 1024  # bytes in one read
PART = 16 * 1024 * 1024  # bytes in one part of a multipart upload: 10,000 parts, the most S3 takes, are 160 GiB
SIGNED_FOR = timedelta(hours=1)
SHARDS = 2  # leading hex digits that name a folder: 256 of them keep a million blobs browsable
S3_CLIENT: "ClientConfig" = {
    "timeout": "12h",
    "connect_timeout": "10s",
    "read_timeout": "60s",
}  # the first counts whole downloads
# A machine waits for the answer to its upload: about 5 seconds of tries, then it is told to come again.
S3_TRIES: "RetryConfig" = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
STORE_ERRORS = Counter("sheepfold_store_errors", "Times that the store did not do what it was asked for.", ["store"])


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Bytes in the store: hex digests, size in bytes, media type."""

    sha256: str
    md5: str
    size: int
    media_type: str


class Storage(Protocol):
    """What both stores can do. Raises NotFound if the blob is not there, Unavailable if the store is not."""

    def keep(self, path: Path, media_type: str) -> BlobRef:
        """Take a file out of the temporary folder into the store. On failure the file stays where it was."""

    def keep_bytes(self, data: bytes, media_type: str) -> BlobRef:
        """The same for bytes in memory."""

    def local(self, sha256: str) -> contextlib.AbstractContextManager[Path]:
        """A local file to read: the blob itself (never write to it) or a copy that vanishes afterwards."""

    def read(self, sha256: str) -> bytes:
        """All of a small blob."""

    def stream(self, sha256: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but not including `end`; None: to the last."""

    def path(self, sha256: str) -> Path | None:
        """Where the blob lies on disk; None if the store has no files here or no such blob."""

    def exists(self, sha256: str) -> bool:
        """Whether the store has the blob."""

    def delete(self, sha256: str) -> None:
        """Remove the blob; it may be gone already."""

    def hashes(self, before: datetime | None = None) -> Iterator[str]:
        """What the store has; with `before`, only what was last kept earlier than that."""

    def signed_url(self, sha256: str) -> str | None:
        """An URL that fetches the blob for an hour without asking the farm; None if the store cannot."""


@lru_cache(maxsize=1)
def store() -> Storage:
    """The store of this process, as configured."""
    settings = config()
    return S3Storage(settings) if settings.storage_url else DiskStorage(settings.data_dir / "blobs", settings.tmp_dir)


@contextmanager
def temporary_path(suffix: str = "") -> Iterator[Path]:
    """A path for a file to be made; what lies there at the end is deleted."""
    descriptor, name = tempfile.mkstemp(dir=config().tmp_dir, suffix=suffix)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def measure(path: Path, media_type: str) -> BlobRef:
    """Hash a file, reading it once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return BlobRef(sha256.hexdigest(), md5.hexdigest(), size, media_type)


class DiskStorage:
    """Blobs as files `ab/cdef…` below one folder."""

    def __init__(self, root: Path, tmp_dir: Path) -> None:
        self._root = root
        self._tmp_dir = tmp_dir

    def keep(self, path: Path, media_type: str) -> BlobRef:
        """See Storage. A blob that is there is replaced: that renews its date and heals a damaged one."""
        ref = measure(path, media_type)
        try:
            os.utime(path)
            durable.move(path, self._place(ref.sha256))
        except OSError:
            STORE_ERRORS.labels(store="disk").inc()
            raise
        return ref

    def keep_bytes(self, data: bytes, media_type: str) -> BlobRef:
        """See Storage."""
        return _keep_bytes(self, self._tmp_dir, data, media_type)

    @contextmanager
    def local(self, sha256: str) -> Iterator[Path]:
        """See Storage."""
        yield self._existing(sha256)

    def read(self, sha256: str) -> bytes:
        """See Storage."""
        return self._existing(sha256).read_bytes()

    async def stream(self, sha256: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See Storage."""
        file = await asyncio.to_thread(self._existing(sha256).open, "rb")
        try:
            file.seek(start)
            left = os.fstat(file.fileno()).st_size - start if end is None else end - start
            while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    def path(self, sha256: str) -> Path | None:
        """See Storage."""
        place = self._place(sha256)
        return place if place.is_file() else None

    def exists(self, sha256: str) -> bool:
        """See Storage."""
        return self._place(sha256).is_file()

    def delete(self, sha256: str) -> None:
        """See Storage."""
        self._place(sha256).unlink(missing_ok=True)

    def hashes(self, before: datetime | None = None) -> Iterator[str]:
        """See Storage."""
        for path in self._root.glob(f"{'?' * SHARDS}/*"):
            if before is None or datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                yield path.parent.name + path.name

    def signed_url(self, sha256: str) -> str | None:
        """See Storage: files have no URL of their own."""
        return None

    def _place(self, sha256: str) -> Path:
        return self._root / sha256[:SHARDS] / sha256[SHARDS:]

    def _existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if path is None:
            raise _missing(sha256)
        return path


class S3Storage:
    """Blobs as objects `ab/cdef…` in a bucket of Amazon S3 or of any server that speaks its API."""

    def __init__(self, settings: ServerConfig) -> None:
        self._tmp_dir = settings.tmp_dir
        self._store = _bucket(settings)

    def keep(self, path: Path, media_type: str) -> BlobRef:
        """See Storage. Large files go up in parts; no reader sees half of one.

        The bucket is asked for the size of what it says it has: some answer 200 and keep nothing, or a part.
        Measured for 300 KB on SeaweedFS: 0.7 ms on top of 4.3 ms.
        """
        ref = measure(path, media_type)
        try:
            with _translated(ref.sha256):
                obstore.put(self._store, _key(ref.sha256), path, chunk_size=PART, max_concurrency=4)
                size = obstore.head(self._store, _key(ref.sha256))["size"]
        except NotFound:
            size = 0
        if size != ref.size:
            STORE_ERRORS.labels(store="s3").inc()
            raise Unavailable(f"the bucket took {ref.size} bytes of {ref.sha256} and has {size}; try again later")
        path.unlink()
        return ref

    def keep_bytes(self, data: bytes, media_type: str) -> BlobRef:
        """See Storage."""
        return _keep_bytes(self, self._tmp_dir, data, media_type)

    @contextmanager
    def local(self, sha256: str) -> Iterator[Path]:
        """See Storage."""
        with temporary_path() as path:
            with _translated(sha256), path.open("wb") as file:
                for chunk in obstore.get(self._store, _key(sha256)).stream(CHUNK):
                    file.write(chunk)
            yield path

    def read(self, sha256: str) -> bytes:
        """See Storage."""
        with _translated(sha256):
            return bytes(obstore.get(self._store, _key(sha256)).bytes())

    async def stream(self, sha256: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See Storage."""
        if end is not None and end <= start:
            return
        with _translated(sha256):
            answer = await obstore.get_async(
                self._store,
                _key(sha256),
                options={"range": {"offset": start} if end is None else (start, end)},
            )
            async for chunk in answer.stream(CHUNK):
                yield bytes(chunk)

    def path(self, sha256: str) -> Path | None:
        """See Storage: a bucket has no files here."""
        return None

    def exists(self, sha256: str) -> bool:
        """See Storage."""
        try:
            with _translated(sha256):
                obstore.head(self._store, _key(sha256))
        except NotFound:
            return False
        return True

    def delete(self, sha256: str) -> None:
        """See Storage."""
        with contextlib.suppress(NotFound), _translated(sha256):
            obstore.delete(self._store, _key(sha256))

    def hashes(self, before: datetime | None = None) -> Iterator[str]:
        """See Storage."""
        with _translated("*"):
            for page in obstore.list(self._store):
                for entry in page:
                    if before is None or entry["last_modified"] < before:
                        yield entry["path"].replace("/", "")

    def signed_url(self, sha256: str) -> str | None:
        """See Storage."""
        return obstore.sign(self._store, "GET", _key(sha256), SIGNED_FOR)


def _bucket(settings: ServerConfig) -> S3Store:
    parts = urlsplit(settings.storage_url)
    if parts.scheme != "s3" or not parts.netloc:
        raise BadInput(f"storage_url: {settings.storage_url} is not known; write s3://bucket/prefix or leave it empty")
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        config=_credentials(settings),
        client_options={**S3_CLIENT, "allow_http": settings.storage_endpoint.startswith("http://")},
        retry_config=S3_TRIES,
    )


def _credentials(settings: ServerConfig) -> "S3Config":
    """What is not set comes from the environment or the machine's role, as Amazon's own tools do it."""
    wanted = {
        "region": settings.storage_region,
        "endpoint": settings.storage_endpoint,
        "access_key_id": settings.storage_key_id,
        "secret_access_key": settings.storage_secret.get_secret_value(),
    }
    return cast("S3Config", {name: value for name, value in wanted.items() if value})


def _keep_bytes(target: Storage, tmp_dir: Path, data: bytes, media_type: str) -> BlobRef:
    descriptor, name = tempfile.mkstemp(dir=tmp_dir)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return target.keep(Path(name), media_type)
    finally:
        Path(name).unlink(missing_ok=True)


def _key(sha256: str) -> str:
    return f"{sha256[:SHARDS]}/{sha256[SHARDS:]}"


def _missing(sha256: str) -> NotFound:
    return NotFound(f"the store has no blob {sha256}")


@contextmanager
def _translated(sha256: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise _missing(sha256) from error
    except BaseError as error:
        STORE_ERRORS.labels(store="s3").inc()
        raise Unavailable(f"the bucket does not answer as it should; try again later ({error})") from error
