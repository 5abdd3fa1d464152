"""Signs of life while everything else of the client is busy, and the farm's word to stop a frame."""

import threading
from dataclasses import replace

from sheepfold.client.api import FarmError
from sheepfold.client.control import Control, Wish
from sheepfold.client.events import Level, Listener, Message
from sheepfold.client.leases import OpenLeases
from sheepfold.client.session import Session
from sheepfold.client.steering import hear, obeyed
from sheepfold.client.waits import after_trouble
from sheepfold.protocol.codes import EndpointKind, ErrorKind, HeartbeatStatus
from sheepfold.protocol.messages import Heartbeat, HeartbeatAnswer

_FIRST_BEAT = 5.0  # seconds after the login, where the farm says from then on when


class Heart:
    """Beats for one session in a thread of its own until closed."""

    def __init__(self, session: Session, leases: OpenLeases, control: Control, listener: Listener) -> None:
        self._session, self._leases, self._control, self._listener = session, leases, control, listener
        self._closed = threading.Event()
        self._failures = 0  # of a row
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def beat(self) -> float:
        """A sign of life for each open frame, or one for the session. A frame that the farm stops is killed.

        Returns the seconds until the next: none when the owner's wish has changed, so that the site can show it.
        """
        longest = self._session.heartbeat_seconds
        if not self._session.farm.has(EndpointKind.KEEP_ALIVE):
            return longest
        try:
            answers = self._answers()
        except FarmError as error:
            self._complain(error)
            self._failures += 1
            return min(longest, after_trouble(self._failures - 1))
        self._failures = 0
        news = [hear(answer.wish, self._control, self._listener) for answer in answers]
        pauses = [answer.wait_seconds for answer in answers if answer.wait_seconds]
        return 0.0 if any(news) else min([longest, *pauses])

    def _answers(self) -> list[HeartbeatAnswer]:
        paused = self._control.wish is Wish.PAUSE
        answers = []
        for lease in self._leases.all():
            answers.append(self._tell(lease.beat(paused)))
            if answers[-1].status == HeartbeatStatus.STOP:
                lease.note("the farm stopped this frame")
                lease.stop.set(ErrorKind.KILLED_BY_SERVER)
        return answers or [self._tell(Heartbeat(paused=paused))]

    def _tell(self, beat: Heartbeat) -> HeartbeatAnswer:
        wish = obeyed(self._control) if self._session.steered else None
        return self._session.farm.heartbeat(replace(beat, wish=wish))

    def _run(self) -> None:
        pause = _FIRST_BEAT if self._session.steered else self._session.heartbeat_seconds
        while not self._closed.wait(pause):
            pause = self.beat()

    def _complain(self, error: FarmError) -> None:
        """Once for each row of failures: a farm that is away for a night needs no thousand lines."""
        if self._failures == 0:
            self._listener(Message(Level.WARNING, f"no heartbeat: {error}"))
