"""The frames of a project as a zip that is made while it is sent: nothing is staged, nothing is compressed twice."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

from zipstream import ZIP_STORED, ZipStream

from sheepfold.server.core.storage import CHUNK, Storage
from sheepfold.server.outputs.names import frame_name, safe_stem
from sheepfold.server.results.queries import FrameFact


class FrameZip:
    """A zip of accepted frames. Its `size` in bytes is known before the first byte is made."""

    def __init__(self, project_name: str, frames: Iterable[FrameFact], source: Storage) -> None:
        self.name = f"{safe_stem(project_name)}.zip"
        self._source = source
        self._zip = ZipStream(sized=True, compress_type=ZIP_STORED)
        for frame in frames:
            self._zip.add(
                self._read(frame.blob_sha),
                frame_name(project_name, frame.frame, frame.format, frame.part),
                size=frame.size,
            )
        self.size = len(self._zip)

    def _read(self, sha256: str) -> Iterator[bytes]:
        with self._source.local(sha256) as path, path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._zip)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same off the event loop."""
        chunks = iter(self._zip)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk
