"""What the owner wants the client to do now. Every wait of the client is here, so that it can be ended."""

import threading
import time
from enum import IntEnum


class Wish(IntEnum):
    """From going on to ending at once."""

    RUN = 0
    PAUSE = 1
    STOP_AFTER_FRAME = 2
    STOP_NOW = 3


class Control:
    """The owner's wish, set by signals, commands and the farm, read by all threads."""

    def __init__(self) -> None:
        self._wish = Wish.RUN
        self.priority: int | None = None  # instead of the settings', from the next frame on
        self._changed = threading.Condition()

    @property
    def wish(self) -> Wish:
        return self._wish

    @property
    def stopping(self) -> bool:
        return self._wish >= Wish.STOP_AFTER_FRAME

    @property
    def stopping_now(self) -> bool:
        return self._wish is Wish.STOP_NOW

    def pause(self) -> None:
        """No new frame after this one. Has no effect on a client that is ending."""
        self._set(Wish.PAUSE, only_from=(Wish.RUN,))

    def resume(self) -> None:
        """Go on after a pause, or take a stop after the frame back."""
        self._set(Wish.RUN, only_from=(Wish.PAUSE, Wish.STOP_AFTER_FRAME))

    def stop(self) -> None:
        """End: the first time after the frame, the second time at once."""
        self._set(Wish.STOP_NOW if self.stopping else Wish.STOP_AFTER_FRAME)

    def stop_after_frame(self) -> None:
        """End after the frame. Does not make an end that was asked for before any quicker."""
        self._set(Wish.STOP_AFTER_FRAME, only_from=(Wish.RUN, Wish.PAUSE))

    def stop_now(self) -> None:
        self._set(Wish.STOP_NOW)

    def wait(self, seconds: float | None) -> bool:
        """Sleep until the time is over, the wish changes or the client ends. False when the time was over."""
        with self._changed:
            before = self._wish
            return self._changed.wait_for(lambda: self.stopping or self._wish is not before, timeout=seconds)

    def wait_while_paused(self) -> None:
        """Return when the client may go on or has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._wish is not Wish.PAUSE)

    def sleep(self, seconds: float) -> None:
        """Sleep through pauses, but not through an end."""
        until = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self.stopping, timeout=max(0.0, until - time.monotonic()))

    def _set(self, wish: Wish, only_from: tuple[Wish, ...] | None = None) -> None:
        with self._changed:
            if only_from is None or self._wish in only_from:
                self._wish = wish
                self._changed.notify_all()
