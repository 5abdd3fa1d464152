"""The life of one session with a farm: log in, ask for work, log in again when the farm has forgotten us."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import sheepfold
from sheepfold.client.api import Farm
from sheepfold.client.hardware import Hardware
from sheepfold.protocol import extras, limits
from sheepfold.protocol.codes import ConfigStatus, EndpointKind, WorkStatus
from sheepfold.protocol.messages import SessionAnswer, SessionRequest, WorkAnswer, WorkRequest

_PLAIN_HEARTBEAT = 900  # seconds, what clients of the field do when the farm says nothing
_PLAIN_MARGIN = 120  # seconds before `max-period` at which they beat

_REFUSALS: dict[int, str] = {
    ConfigStatus.NO_VERSION: "the farm wants to know the version of this client",
    ConfigStatus.CLIENT_TOO_OLD: "this client is too old for the farm: update Sheepfold",
    ConfigStatus.AUTHENTICATION_FAILED: "the farm does not know this login with this key",
    ConfigStatus.WEB_SESSION_EXPIRED: "the farm's web session has expired: log in anew",
    ConfigStatus.MISSING_PARAMETER: "the farm misses something in the request for a session",
}


class LoginRefusedError(Exception):
    """The farm does not want this machine. Asking again without a change is no use."""

    def __init__(self, status: int) -> None:
        super().__init__(_REFUSALS.get(status, f"the farm refuses a session with status {status}"))
        self.status = status


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, with which machine. `instance`: this cache folder; `run`: this start of the client."""

    login: str
    key: str
    hostname: str
    hardware: Hardware
    cores: int
    memory_kib: int
    ui: str
    instance: str = ""
    run: str = ""


class Session:
    """One login of one device. Threads may use it at the same time; only one of them logs in again."""

    def __init__(
        self,
        farm: Farm,
        identity: Identity,
        wish: extras.Extras,
        held: Callable[[], tuple[str, ...]] = lambda: (),
    ) -> None:
        """`held`: the leases whose finished frames this client still has, perhaps of an earlier run."""
        self.farm = farm
        self._identity, self._held = identity, held
        self._wish = replace(wish, instance=identity.instance, run=identity.run)
        self._lock = threading.Lock()
        self._number = 0
        self._answer: SessionAnswer | None = None

    @property
    def number(self) -> int:
        """How many times the farm let us in. Passed to `renew`, so that two threads do not log in twice."""
        return self._number

    @property
    def agreed(self) -> extras.Extras | None:
        """What a Sheepfold farm grants; None at a plain SheepIt farm."""
        return extras.parse_extras(self._answer.extras) if self._answer else None

    @property
    def steered(self) -> bool:
        """Whether the owner's wish comes from the farm's site, too."""
        return self.agreed is not None and self.agreed.steered

    @property
    def heartbeat_seconds(self) -> float:
        """How often to give a sign of life."""
        if self.agreed is not None:
            return self.agreed.heartbeat
        return plain_heartbeat(self._answer)

    @property
    def most_open_frames(self) -> int:
        """Leases that may be open at once."""
        return self.agreed.leases if self.agreed is not None else 1

    def open(self) -> None:
        """Log in. Raises LoginRefusedError, FarmError."""
        with self._lock:
            self._open()

    def renew(self, seen: int) -> None:
        """Log in again, unless another thread has done so since session number `seen`. Raises as `open`."""
        with self._lock:
            if self._number == seen:
                self._open()

    def request_work(self, request: WorkRequest) -> WorkAnswer:
        """Ask for a frame; if the session is dead, once more in a new one. Raises LoginRefusedError, FarmError."""
        if self.agreed is None:
            request = replace(request, open_tokens=None)
        seen = self._number
        answer = self.farm.request_work(request)
        if answer.status == WorkStatus.SESSION_DEAD:
            self.renew(seen)
            answer = self.farm.request_work(request)
        return answer

    def _open(self) -> None:
        answer = self.farm.open_session(self._request())
        if answer.status != ConfigStatus.OK:
            raise LoginRefusedError(int(answer.status))
        self._answer = answer
        self._number += 1

    def _request(self) -> SessionRequest:
        me, machine = self._identity, self._identity.hardware
        return SessionRequest(
            login=me.login,
            password=me.key,
            version=sheepfold.__version__,
            os=machine.os,
            bits=machine.bits,
            cpu_family=machine.cpu.family,
            cpu_model=machine.cpu.model,
            cpu_model_name=machine.cpu.name,
            cpu_cores=me.cores,
            ram_kib=me.memory_kib,
            hostname=me.hostname,
            extras=extras.format_extras(self._wish),
            ui=me.ui,
            headless=True,
            os_version=machine.os_version,
            hwid=machine.hwid,
            open_tokens=self._held()[-limits.MAX_OPEN_TOKENS :] or None,
        )


def plain_heartbeat(answer: SessionAnswer | None) -> float:
    """Seconds between heartbeats at a plain SheepIt farm: well before its `max-period`."""
    periods = [
        endpoint.max_period
        for endpoint in (answer.endpoints if answer else ())
        if endpoint.kind is EndpointKind.KEEP_ALIVE and endpoint.max_period
    ]
    if not periods:
        return _PLAIN_HEARTBEAT
    return min(_PLAIN_HEARTBEAT, max(periods[0] - _PLAIN_MARGIN, periods[0] / 2))
