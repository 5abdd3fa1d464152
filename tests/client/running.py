"""A client that runs in a thread of a test."""

import threading

from sheepfold.client.config import Settings
from sheepfold.client.events import Event
from sheepfold.client.supply import ExitCode
from sheepfold.client.worker import Client, run


class Run:
    """The client with everything that it said."""

    def __init__(self, settings: Settings) -> None:
        self.client = Client()
        self.events: list[Event] = []
        self.code: ExitCode | None = None
        self._heard = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(settings,), daemon=True)
        self._thread.start()

    def wait_for(self, kind: type[Event], count: int = 1, seconds: float = 60.0) -> list[Event]:
        """Events of a kind, as soon as so many have come."""
        with self._heard:
            arrived = self._heard.wait_for(lambda: len(self.of(kind)) >= count, timeout=seconds)
        assert arrived, f"{count} {kind.__name__} did not come; came: {self.events}"
        return self.of(kind)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def end(self) -> ExitCode | None:
        """The exit code, once the client has ended by itself."""
        self._thread.join(60)
        assert not self._thread.is_alive(), f"the client does not end; it said: {self.events}"
        return self.code

    def stop(self) -> ExitCode | None:
        """Let it finish its frame."""
        self.client.control.stop_after_frame()
        return self.end()

    def _run(self, settings: Settings) -> None:
        self.code = run(settings, self._hear, self.client)

    def _hear(self, event: Event) -> None:
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()
