"""Plain .blend files out of compressed ones, with a bound."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from sheepfold.server.projects.archives import GIB, ArchiveLimits, blend_compression
from sheepfold.server.projects.names import BadArchive

CHUNK = 1 << 20


def make_plain(path: Path, limits: ArchiveLimits) -> None:
    """Replace a compressed .blend by what it holds. Raises BadArchive if it is damaged or far too large."""
    with path.open("rb") as packed:
        compression = blend_compression(packed.read(8))
        if compression in (None, "plain"):
            return
        packed.seek(0)
        bound = min(limits.total, max(limits.free, limits.ratio * path.stat().st_size))
        draft = path.with_name(path.name + ".plain")
        with _reader(packed, compression) as source, draft.open("wb") as target:
            _copy(source, target, bound, path.name)
    path.unlink()
    draft.rename(path)


@contextmanager
def _reader(packed: IO[bytes], compression: str | None) -> Iterator[IO[bytes]]:
    try:
        if compression == "gzip":
            with gzip.GzipFile(fileobj=packed) as source:
                yield cast(IO[bytes], source)
        else:  # Blender writes one frame after another, so that it can read parts
            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
            with decompressor.stream_reader(packed, read_across_frames=True, closefd=False) as source:
                yield cast(IO[bytes], source)
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadArchive(f"the .blend is damaged ({error}); save it again, or upload it again") from error


def _copy(source: IO[bytes], target: IO[bytes], bound: int, name: str) -> None:
    written = 0
    while chunk := source.read(CHUNK):
        written += target.write(chunk)
        if written > bound:
            raise BadArchive(
                f"`{name}` unpacks to more than {bound / GIB:.0f} GiB; save it uncompressed and upload that"
            )
