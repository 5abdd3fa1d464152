"""Signs of life while everything else of the client is busy, and the farm's word to stop a frame."""

import threading

from sheepfold.client.api import FarmError
from sheepfold.client.control import Control, Wish
from sheepfold.client.events import Level, Listener, Message
from sheepfold.client.leases import OpenLeases
from sheepfold.client.session import Session
from sheepfold.protocol.codes import EndpointKind, ErrorKind, HeartbeatStatus
from sheepfold.protocol.messages import Heartbeat


class Heart:
    """Beats for one session in a thread of its own until closed."""

    def __init__(self, session: Session, leases: OpenLeases, control: Control, listener: Listener) -> None:
        self._session, self._leases, self._control, self._listener = session, leases, control, listener
        self._closed = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def beat(self) -> None:
        """A sign of life for each open frame, or one for the session. A frame that the farm stops is killed."""
        if not self._session.farm.has(EndpointKind.KEEP_ALIVE):
            return
        paused = self._control.wish is Wish.PAUSE
        try:
            leases = self._leases.all()
            for lease in leases:
                answer = self._session.farm.heartbeat(lease.beat(paused))
                if answer.status == HeartbeatStatus.STOP:
                    lease.note("the farm stopped this frame")
                    lease.stop.set(ErrorKind.KILLED_BY_SERVER)
            if not leases:
                self._session.farm.heartbeat(Heartbeat(paused=paused))
            self._failing = False
        except FarmError as error:
            self._complain(error)

    def _run(self) -> None:
        while not self._closed.wait(self._session.heartbeat_seconds):
            self.beat()

    def _complain(self, error: FarmError) -> None:
        """Once for each row of failures: a farm that is away for a night needs no thousand lines."""
        if not self._failing:
            self._listener(Message(Level.WARNING, f"no heartbeat: {error}"))
        self._failing = True
