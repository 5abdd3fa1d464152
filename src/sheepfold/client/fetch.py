"""Archives by their MD5: downloaded once, checked, kept on disk up to a cap, unpacked once."""

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sheepfold.client.room import is_full
from sheepfold.client.unpack import UnpackError, remove_folder, unpack

_PIECE = 1024 * 1024
_MD5 = re.compile(r"[0-9a-f]{32}")
_ATTEMPTS = 5
_STALE_SECONDS = 7 * 86_400  # the farm has forgotten the job of a download that lies longer
_KEEP_FREE = 512 * 1024 * 1024  # bytes of disk that stay the owner's


class FetchError(Exception):
    """The archive could not be had. The text says why."""


class DiskFullError(Exception):
    """There is no room for the archive on this disk."""


class FetchStoppedError(Exception):
    """The download was asked to end."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer to a download. `resumed`: the pieces begin at the asked offset instead of at 0."""

    pieces: Iterator[bytes]
    resumed: bool
    total: int | None  # bytes of the whole archive


class ArchiveSource(Protocol):
    """Where an archive comes from. Opening and reading raise FetchError when the farm or the net fails."""

    def open(self, offset: int) -> AbstractContextManager[Incoming]: ...


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """Bytes that are here, and of how many (when the farm says so)."""

    done: int
    total: int | None


class Cache:
    """`<md5>.zip` and the folder `<md5>/` that it unpacks to, in one folder of this client."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        """`limit`: bytes that zips and folders may take together; the longest unused go first."""
        self._folder, self._limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._verified: set[str] = set()
        self._in_use: dict[str, int] = defaultdict(int)
        self._may_be_large = True  # something came since the cap was last kept

    def md5s(self) -> tuple[str, ...]:
        """Archives that are here in full, the last used first: the farm lets us stay with its scene."""
        used: list[tuple[int, str]] = []
        for path in self._folder.glob("*.zip"):
            with contextlib.suppress(FileNotFoundError):  # another thread cleared it
                used.append((path.stat().st_mtime_ns, path.stem))
        return tuple(md5 for _, md5 in sorted(used, reverse=True) if _MD5.fullmatch(md5))

    def fetch(
        self,
        md5: str,
        source: ArchiveSource,
        listener: Callable[[FetchProgress], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
        wait: Callable[[float], object] = time.sleep,
    ) -> Path:
        """The archive as a file; downloaded when missing or damaged. Resumes what an earlier run began.

        Raises FetchError after five attempts, DiskFullError, FetchStoppedError when `stopped()` says so.
        """
        _check_md5(md5)
        with self._lock_of(md5):
            path = self._zip(md5)
            if self._is_sound(md5):
                path.touch()
                return path
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._download(md5, source, listener, stopped)
                    return path
                except FetchError:
                    if attempt == _ATTEMPTS:
                        raise
                    wait(_pause(attempt))
            raise AssertionError("unreachable")

    def unpacked(self, md5: str, password: str = "", executables: tuple[str, ...] = ()) -> Path:
        """The folder of an archive that was fetched. Raises UnpackError, DiskFullError.

        A zip that does not unpack is deleted: next time it is fetched anew.
        """
        _check_md5(md5)
        with self._lock_of(md5):
            folder = self._folder / md5
            if not folder.is_dir():
                try:
                    unpack(self._zip(md5), folder, password, executables)
                except UnpackError:
                    self._forget(md5)
                    raise
                except OSError as error:
                    raise _disk_error(error) from error
                self._may_be_large = True
            os.utime(folder)
            return folder

    def hold(self, *md5s: str) -> None:
        """Keep archives from being cleared while a job needs them."""
        with self._lock:
            for md5 in md5s:
                self._in_use[md5] += 1

    def release(self, *md5s: str) -> None:
        """The opposite of `hold`."""
        with self._lock:
            for md5 in md5s:
                self._in_use[md5] -= 1

    def delete(self, md5: str) -> bool:
        """Forget an archive, as the farm asks. False when it is in use or not ours to name."""
        if not _MD5.fullmatch(md5) or self._in_use.get(md5, 0) > 0:
            return False
        with self._lock_of(md5):
            self._forget(md5)
        return True

    def trim(self) -> list[str]:
        """Delete the longest unused archives until the cap is kept. Returns what went."""
        if self._limit is None or not self._may_be_large:
            return []
        self._may_be_large = False
        gone: list[str] = []
        used = _size(self._folder)
        for md5 in reversed(self.md5s()):
            if used <= self._limit:
                break
            size = _size(self._zip(md5)) + _size(self._folder / md5)
            if self.delete(md5):
                gone.append(md5)
                used -= size
        self._may_be_large |= used > self._limit
        return gone

    def _download(
        self,
        md5: str,
        source: ArchiveSource,
        listener: Callable[[FetchProgress], None] | None,
        stopped: Callable[[], bool],
    ) -> None:
        partial = self._folder / f"{md5}.partial"
        offset = partial.stat().st_size if partial.exists() else 0
        try:
            with source.open(offset) as incoming:
                _write(partial, incoming, offset, listener, stopped)
        except OSError as error:
            raise _disk_error(error) from error
        if md5_of(partial) != md5:
            partial.unlink()
            raise FetchError(f"the downloaded archive is damaged: its MD5 is not {md5}")
        partial.replace(self._zip(md5))
        self._verified.add(md5)
        self._may_be_large = True

    def _is_sound(self, md5: str) -> bool:
        """Whether the zip is here and whole. Its content is read once per run of the client."""
        path = self._zip(md5)
        if not path.exists():
            return False
        if md5 not in self._verified:
            if md5_of(path) != md5:
                self._forget(md5)
                return False
            self._verified.add(md5)
        return True

    def _forget(self, md5: str) -> None:
        self._verified.discard(md5)
        self._zip(md5).unlink(missing_ok=True)
        remove_folder(self._folder / md5)

    def _zip(self, md5: str) -> Path:
        return self._folder / f"{md5}.zip"

    def _lock_of(self, md5: str) -> threading.Lock:
        with self._lock:
            return self._locks[md5]


def md5_of(path: Path) -> str:
    """The MD5 of a file, lower-case hex."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _remove_stale(folder: Path) -> None:
    """Downloads that nobody went on with, and folders that were half unpacked."""
    for partial in folder.glob("*.partial"):
        if partial.is_dir():
            remove_folder(partial)
        elif time.time() - partial.stat().st_mtime > _STALE_SECONDS:
            partial.unlink()


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: 1, 4, 9, 16."""
    return float(attempt * attempt)


def _write(
    partial: Path,
    incoming: Incoming,
    offset: int,
    listener: Callable[[FetchProgress], None] | None,
    stopped: Callable[[], bool],
) -> None:
    done = offset if incoming.resumed else 0
    if incoming.total is not None and shutil.disk_usage(partial.parent).free - (incoming.total - done) < _KEEP_FREE:
        raise DiskFullError(f"no room for an archive of {incoming.total} bytes")
    with partial.open("ab" if incoming.resumed else "wb") as out:
        for piece in incoming.pieces:
            out.write(piece)
            done += len(piece)
            if listener is not None:
                listener(FetchProgress(done, incoming.total))
            if stopped():
                raise FetchStoppedError
    if incoming.total is not None and done != incoming.total:
        raise FetchError(f"the connection ended after {done} of {incoming.total} bytes")


def _check_md5(md5: str) -> None:
    if not _MD5.fullmatch(md5):
        raise FetchError(f"the farm named an archive by {md5!r}, which is no MD5")


def _disk_error(error: OSError) -> Exception:
    if is_full(error):
        return DiskFullError(f"the disk is full: {error}")
    return FetchError(f"the archive cannot be stored: {error}")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
