"""Archives are downloaded once, resumed, verified, and thrown away when the cache is full."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packing import zip_of

import sheepfold.client.fetch as fetch_module
from sheepfold.client.fetch import Cache, DiskFullError, FetchError, FetchProgress, FetchStoppedError, Incoming
from sheepfold.client.unpack import UnpackError

CONTENT = bytes(range(256)) * 4096


@dataclass
class Source:
    """A farm's archive in memory. `breaks`: bytes after which each next answer ends early."""

    content: bytes = CONTENT
    resumes: bool = True
    breaks: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    @contextmanager
    def open(self, offset: int) -> Iterator[Incoming]:
        self.offsets.append(offset)
        start = offset if self.resumes else 0
        rest = self.content[start:]
        sent = rest[: self.breaks.pop(0)] if self.breaks else rest
        pieces = (sent[at : at + 65536] for at in range(0, len(sent), 65536))
        yield Incoming(pieces, self.resumes and offset > 0, len(self.content))


def md5(content: bytes = CONTENT) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def no_wait(_seconds: float) -> None:
    """Attempts follow each other at once."""


def test_second_fetch_asks_nobody(tmp_path: Path) -> None:
    cache, source = Cache(tmp_path), Source()
    assert cache.fetch(md5(), source).read_bytes() == CONTENT
    assert cache.fetch(md5(), source).read_bytes() == CONTENT
    assert source.offsets == [0]
    assert cache.md5s() == (md5(),)


def test_broken_download_goes_on_where_it_ended(tmp_path: Path) -> None:
    source = Source(breaks=[100_000, 300_000])
    assert Cache(tmp_path).fetch(md5(), source, wait=no_wait).read_bytes() == CONTENT
    assert source.offsets == [0, 100_000, 400_000]


def test_download_goes_on_after_a_restart(tmp_path: Path) -> None:
    stop = iter([False, True])
    with pytest.raises(FetchStoppedError):
        Cache(tmp_path).fetch(md5(), Source(), stopped=lambda: next(stop))
    source = Source()
    assert Cache(tmp_path).fetch(md5(), source).read_bytes() == CONTENT
    assert source.offsets == [131_072]


def test_farm_that_cannot_resume_sends_all_again(tmp_path: Path) -> None:
    source = Source(resumes=False, breaks=[100_000])
    assert Cache(tmp_path).fetch(md5(), source, wait=no_wait).read_bytes() == CONTENT


def test_wrong_content_is_given_up_after_five_attempts(tmp_path: Path) -> None:
    source, waits = Source(), []
    with pytest.raises(FetchError, match="damaged"):
        Cache(tmp_path).fetch(md5(b"other"), source, wait=waits.append)
    assert source.offsets == [0] * 5
    assert waits == [1, 4, 9, 16]
    assert list(tmp_path.iterdir()) == []


def test_archive_damaged_on_disk_is_fetched_anew(tmp_path: Path) -> None:
    path = Cache(tmp_path).fetch(md5(), Source())
    path.write_bytes(CONTENT[:-1] + b"?")
    (tmp_path / md5()).mkdir()
    source = Source()
    assert Cache(tmp_path).fetch(md5(), source).read_bytes() == CONTENT
    assert source.offsets == [0]
    assert not (tmp_path / md5()).exists()


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    heard: list[FetchProgress] = []
    Cache(tmp_path).fetch(md5(), Source(), heard.append)
    assert heard[0] == FetchProgress(65536, len(CONTENT))
    assert heard[-1] == FetchProgress(len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ABCDEF0123456789ABCDEF0123456789", "x" * 32])
def test_only_md5s_name_archives(name: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no MD5"):
        Cache(tmp_path).fetch(name, Source())
    with pytest.raises(FetchError, match="no MD5"):
        Cache(tmp_path).unpacked(name)
    assert not Cache(tmp_path).delete(name)


def test_full_disk_is_found_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "_KEEP_FREE", 10**18)
    with pytest.raises(DiskFullError, match="no room"):
        Cache(tmp_path).fetch(md5(), Source())


def test_disk_that_fills_up_is_told_as_such(tmp_path: Path) -> None:
    class Full(Source):
        @contextmanager
        def open(self, offset: int) -> Iterator[Incoming]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield

    with pytest.raises(DiskFullError, match="No space left"):
        Cache(tmp_path).fetch(md5(), Full())


def put(cache: Cache, folder: Path, number: int, age: int) -> str:
    content = bytes([number]) * 1000
    cache.fetch(md5(content), Source(content))
    os.utime(folder / f"{md5(content)}.zip", (1_000_000 - age, 1_000_000 - age))
    return md5(content)


def test_longest_unused_archives_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=2500)
    old, middle, new = (put(cache, tmp_path, number, age) for number, age in ((1, 300), (2, 200), (3, 100)))
    assert cache.trim() == [old]
    assert cache.md5s() == (new, middle)


def test_cap_is_kept_again_when_something_came(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=2500)
    old, middle = (put(cache, tmp_path, number, age) for number, age in ((1, 300), (2, 200)))
    assert cache.trim() == []
    new = put(cache, tmp_path, 3, 100)
    assert cache.trim() == [old]
    assert cache.md5s() == (new, middle)


def test_archive_that_was_in_use_goes_later(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=500)
    only = put(cache, tmp_path, 1, 100)
    cache.hold(only)
    assert cache.trim() == []
    cache.release(only)
    assert cache.trim() == [only]


def test_archives_in_use_stay(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=1500)
    old, middle, new = (put(cache, tmp_path, number, age) for number, age in ((1, 300), (2, 200), (3, 100)))
    cache.hold(old)
    assert not cache.delete(old)
    assert cache.trim() == [middle, new]
    cache.release(old)
    assert cache.delete(old)
    assert cache.md5s() == ()


def test_unpacked_folder_goes_with_its_archive(tmp_path: Path) -> None:
    content = zip_of({"a.blend": b"scene"})
    cache = Cache(tmp_path)
    cache.fetch(md5(content), Source(content))
    folder = cache.unpacked(md5(content))
    assert (folder / "a.blend").read_bytes() == b"scene"
    assert cache.unpacked(md5(content)) == folder
    assert cache.delete(md5(content))
    assert list(tmp_path.iterdir()) == []


def test_archive_that_does_not_unpack_is_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.fetch(md5(), Source())
    with pytest.raises(UnpackError):
        cache.unpacked(md5())
    assert cache.md5s() == ()


def test_two_threads_download_once(tmp_path: Path) -> None:
    cache, source = Cache(tmp_path), Source()
    threads = [threading.Thread(target=cache.fetch, args=(md5(), source)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.offsets == [0]


def test_downloads_that_nobody_wants_any_more_are_cleared_away(tmp_path: Path) -> None:
    for name, age in (("old", 8), ("young", 6)):
        path = tmp_path / f"{md5(name.encode())}.partial"
        path.write_bytes(b"half")
        when = time.time() - age * 86_400
        os.utime(path, (when, when))
    (tmp_path / "abc.partial").mkdir()
    Cache(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{md5(b'young')}.partial"]
