"""A cap on bytes a second, shared by all transfers of the client."""

import threading
import time
from collections.abc import Iterator


class Throttle:
    """Transfers tell how much they moved; whoever is ahead of the cap waits. `None` = no cap."""

    def __init__(self, bytes_per_second: int | None = None) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def moved(self, count: int) -> None:
        """Wait as long as `count` more bytes need under the cap."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            pause = self._free_at - now
        time.sleep(pause)

    def paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, no faster than the cap."""
        for piece in pieces:
            self.moved(len(piece))
            yield piece
