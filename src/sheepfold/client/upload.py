"""Hands finished frames over, in the background, until the farm has taken or finally refused each of them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto

from sheepfold.client.api import FarmError, UnreachableError
from sheepfold.client.events import FrameAccepted, FrameRefused, Level, Listener, Message, UploadDelayed
from sheepfold.client.outbox import Entry, Outbox
from sheepfold.client.session import LoginRefusedError, Session
from sheepfold.client.waits import after_trouble
from sheepfold.protocol.codes import ErrorKind, UploadStatus
from sheepfold.protocol.messages import ErrorReport

_PARALLEL = 2
_TRIES_OF_A_BAD_IMAGE = 3
_KEPT_DAYS = 14
_GIVE_UP = {
    UploadStatus.MISSING_PARAMETER: ("the farm misses something in the upload", ErrorKind.UNKNOWN),
    UploadStatus.TOO_LARGE: ("the picture is too large for the farm", ErrorKind.IMAGE_TOO_LARGE),
    UploadStatus.WRONG_DIMENSION: ("the picture has the wrong size", ErrorKind.IMAGE_TOO_LARGE),
    UploadStatus.BROKEN_MACHINE: ("the farm says that this machine renders broken pictures", None),
}


class Verdict(Enum):
    """What becomes of a frame after one try."""

    DONE = auto()
    GONE = auto()  # never to be sent again
    LATER = auto()


@dataclass(slots=True)
class _Tries:
    count: int = 0
    due: float = 0.0  # monotonic seconds
    running: bool = False


class Uploader:
    """Empties the outbox of one session. Restarting the client loses nothing: the outbox is on disk."""

    def __init__(
        self,
        outbox: Outbox,
        session: Session,
        server: str,
        listener: Listener,
        mine: Callable[[Entry], bool] = lambda entry: True,
        machine_broken: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`mine`: which frames this session hands over. `machine_broken`: called when the farm says so."""
        self._outbox, self._session, self._server, self._listener = outbox, session, server, listener
        self._mine, self._machine_broken = mine, machine_broken
        self._tries: dict[str, _Tries] = {}
        self._tried = threading.Condition()
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="upload")
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, patient: bool = True) -> None:
        """Begin no new uploads; let those under way end, or not when there is no time for it."""
        self._closed.set()
        self._outbox.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=patient)

    def waiting(self) -> list[Entry]:
        """Frames that the farm does not have yet."""
        return [entry for entry in self._outbox.entries(self._server) if self._mine(entry)]

    def under_way(self) -> int:
        """Frames that are being handed over or are about to be; those that wait for a later try do not count."""
        with self._tried:
            tries = [self._tries.get(entry.id) for entry in self.waiting()]
        return sum(each is None or each.running or each.count == 0 for each in tries)

    def wait_for_try(self, entry: Entry, stopped: Callable[[], bool]) -> None:
        """Return when the frame has been tried once, whatever came of it, or when `stopped()`."""
        with self._tried:
            while not stopped() and not self._was_tried(entry):
                self._tried.wait(0.5)

    def flush(self, stopped: Callable[[], bool]) -> None:
        """Hand over what waits, without waiting for its time; end early when the farm cannot be reached."""
        for entry in self.waiting():
            if stopped():
                return
            if self._begin(entry, now=float("inf")) and not self._try(entry):
                return

    def _run(self) -> None:
        while not self._closed.is_set():
            now = time.monotonic()
            for entry in self.waiting():
                if self._begin(entry, now):
                    self._pool.submit(self._try, entry)
            self._outbox.wait(1.0)

    def _begin(self, entry: Entry, now: float) -> bool:
        with self._tried:
            tries = self._tries.setdefault(entry.id, _Tries())
            if tries.running or tries.due > now:
                return False
            tries.running = True
            return True

    def _was_tried(self, entry: Entry) -> bool:
        tries = self._tries.get(entry.id)
        return tries is not None and tries.count > 0

    def _try(self, entry: Entry) -> bool:
        """Send a frame and draw the conclusion. False when the farm could not be reached."""
        tries = self._tries[entry.id]
        reason, retry_after, reached = "", None, True
        try:
            verdict, reason = self._send(entry, tries.count + 1)
        except UnreachableError as error:
            verdict, reason, retry_after = Verdict.LATER, str(error), error.retry_after
            reached = False
        except (FarmError, LoginRefusedError, OSError) as error:
            verdict, reason = Verdict.LATER, str(error)
        if verdict is Verdict.LATER and time.time() - entry.finished > _KEPT_DAYS * 86_400:
            verdict, reason = Verdict.GONE, f"not taken for {_KEPT_DAYS} days: {reason}"
        self._conclude(entry, verdict, reason, retry_after)
        return reached

    def _send(self, entry: Entry, count: int) -> tuple[Verdict, str]:
        seen = self._session.number
        status = self._session.farm.upload(entry.upload, entry.image, entry.validation_url).status
        if status == UploadStatus.SESSION_DISABLED:
            self._session.renew(seen)
            status = self._session.farm.upload(entry.upload, entry.image, entry.validation_url).status
        if status == UploadStatus.OK:
            return Verdict.DONE, ""
        if status in _GIVE_UP:
            return Verdict.GONE, self._give_up(entry, UploadStatus(status))
        if status == UploadStatus.SESSION_DISABLED:
            return Verdict.GONE, "the farm has ended the session that rendered this frame"
        if status != UploadStatus.UPLOAD_FAILED and count >= _TRIES_OF_A_BAD_IMAGE:
            self._report(entry, ErrorKind.VALIDATION_FAILED, f"upload answered with status {int(status)}")
            return Verdict.GONE, f"the farm does not accept the picture (status {int(status)})"
        return Verdict.LATER, f"the farm answered with status {int(status)}"

    def _give_up(self, entry: Entry, status: UploadStatus) -> str:
        reason, kind = _GIVE_UP[status]
        if kind is None:
            self._machine_broken(reason)
        else:
            self._report(entry, kind, reason)
        return reason

    def _report(self, entry: Entry, kind: ErrorKind, reason: str) -> None:
        frame = entry.upload
        report = ErrorReport(kind, frame.job, frame.frame, frame.extras or None)
        try:
            self._session.farm.report_error(report, f"{reason}\n")
        except FarmError as error:
            self._listener(Message(Level.WARNING, f"the farm could not be told: {error}"))

    def _conclude(self, entry: Entry, verdict: Verdict, reason: str, retry_after: float | None) -> None:
        frame = entry.upload
        with self._tried:
            tries = self._tries[entry.id]
            tries.count += 1
            pause = after_trouble(tries.count - 1, retry_after)
            tries.due = time.monotonic() + pause
        if verdict is not Verdict.LATER:
            self._outbox.remove(entry)
        with self._tried:
            tries.running = False
            self._tried.notify_all()
        if verdict is Verdict.DONE:
            self._listener(FrameAccepted(frame.job, frame.frame))
        elif verdict is Verdict.GONE:
            self._listener(FrameRefused(frame.job, frame.frame, reason))
        else:
            self._listener(UploadDelayed(frame.job, frame.frame, reason, pause))
