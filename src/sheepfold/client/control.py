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
    """The owner's wish, set here by signals and commands and on the farm's site, read by all threads."""

    def __init__(self) -> None:
        self._here = self._on_site = Wish.RUN
        self.priority: int | None = None  # instead of the settings', from the next frame on
        self._changed = threading.Condition()

    @property
    def wish(self) -> Wish:
        """Whoever wants less wins: what is paused on the site stays paused, whatever is said here."""
        return max(self._here, self._on_site)

    @property
    def held_by_site(self) -> bool:
        """Whether only the site can let it go on."""
        return self._on_site is not Wish.RUN and self._here is Wish.RUN

    @property
    def stopping(self) -> bool:
        return self.wish >= Wish.STOP_AFTER_FRAME

    @property
    def stopping_now(self) -> bool:
        return self.wish is Wish.STOP_NOW

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

    def obey_site(self, wish: Wish) -> bool:
        """What the owner wants by the farm's site. True if it is news. An end at once is not taken back."""
        with self._changed:
            if wish is self._on_site or self._on_site is Wish.STOP_NOW:
                return False
            self._on_site = wish
            self._changed.notify_all()
            return True

    def wait(self, seconds: float | None) -> bool:
        """Sleep until the time is over, the wish changes or the client ends. False when the time was over."""
        with self._changed:
            before = self.wish
            return self._changed.wait_for(lambda: self.stopping or self.wish is not before, timeout=seconds)

    def wait_while_paused(self) -> None:
        """Return when the client may go on or has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self.wish is not Wish.PAUSE)

    def sleep(self, seconds: float) -> None:
        """Sleep through pauses, but not through an end."""
        until = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self.stopping, timeout=max(0.0, until - time.monotonic()))

    def _set(self, wish: Wish, only_from: tuple[Wish, ...] | None = None) -> None:
        with self._changed:
            if only_from is None or self._here in only_from:
                self._here = wish
                self._changed.notify_all()
