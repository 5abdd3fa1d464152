"""Brings a device its next frame: asks the farm, fetches and unpacks both archives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from sheepfold.client.api import Farm, FarmError, UnreachableError
from sheepfold.client.blender.command import MAC_EXECUTABLES
from sheepfold.client.control import Control
from sheepfold.client.events import Downloading, FarmStats, Level, Listener, Message
from sheepfold.client.fetch import Cache, DiskFullError, FetchError, FetchProgress, FetchStoppedError
from sheepfold.client.leases import Lease, OpenLeases
from sheepfold.client.session import LoginRefusedError, Session
from sheepfold.client.steering import hear
from sheepfold.client.unpack import UnpackError
from sheepfold.client.waits import after_trouble, spread, step
from sheepfold.protocol.codes import ArchiveKind, ErrorKind, WorkStatus
from sheepfold.protocol.messages import ErrorReport, Stats, WorkAnswer, WorkRequest


class ExitCode(IntEnum):
    """How the client ends, for scripts."""

    OK = 0
    BAD_SETTINGS = 2
    LOGIN_REFUSED = 3
    NO_RENDERING_RIGHT = 4
    SESSION_DISABLED = 5
    NO_CAGE = 6
    FRAMES_WAITING = 7  # finished frames lie in the outbox; the next run hands them over
    STOPPED_NOW = 8  # a frame was thrown away


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A frame that can be rendered at once."""

    lease: Lease
    renderer_dir: Path
    scene_dir: Path


@dataclass(frozen=True, slots=True)
class NoJob:
    """Nothing to render. `seconds` until asking again; `end` when asking again is no use."""

    reason: str
    seconds: float = 0.0
    end: ExitCode | None = None


# Seconds until the next question when the farm does not say: they grow with each answer of the same row.
_GROWING = (60.0, 120.0, 300.0, 600.0, 900.0)
_AFTER_TROUBLE = (10.0, 30.0, 60.0, 120.0, 300.0)
_OWN_FARM_WAIT = 60.0  # a Sheepfold farm answers in a millisecond and says when it wants to be asked less
_BUSY_FARM = (600.0, 900.0, 1200.0, 1800.0)
_WAITS: dict[int, tuple[str, tuple[float, ...]]] = {
    WorkStatus.NO_JOB: ("the farm has no work for this machine now", _GROWING),
    WorkStatus.SESSION_DEAD: ("the farm ends each new session at once", _GROWING),
    WorkStatus.INTERNAL_ERROR: ("the farm has an internal error", _GROWING),
    WorkStatus.NO_RENDERER: ("the farm has no Blender for this kind of machine", (900.0, 3600.0)),
    WorkStatus.MAINTENANCE: ("the farm is being maintained", _BUSY_FARM),
    WorkStatus.OVERLOADED: ("the farm is overloaded", _BUSY_FARM),
    WorkStatus.DENOISING_UNSUPPORTED: (
        "this machine cannot denoise, and the farm's scenes need it",
        (3600.0,),
    ),
}
_ENDS: dict[int, tuple[str, ExitCode]] = {
    WorkStatus.NO_RENDERING_RIGHT: (
        "your account may not render on this farm",
        ExitCode.NO_RENDERING_RIGHT,
    ),
    WorkStatus.SESSION_DISABLED: (
        "the farm has disabled this machine, usually for broken pictures: check its graphics driver",
        ExitCode.SESSION_DISABLED,
    ),
}


class Supply:
    """The source of frames for one device."""

    def __init__(
        self,
        device: str,
        session: Session,
        cache: Cache,
        leases: OpenLeases,
        listener: Listener,
        request: Callable[[], WorkRequest],
        control: Control,
    ) -> None:
        """`request`: what this device may do now."""
        self._device, self._session, self._cache, self._leases = device, session, cache, leases
        self._listener, self._request, self._control = listener, request, control
        self._row = 0  # answers without work since the last frame
        self._failures = 0  # questions without an answer, of a row

    def next(self) -> ReadyJob | NoJob:
        """The next frame with its archives on disk. Trouble comes back as a reason to wait, or to end."""
        try:
            answer = self._session.request_work(replace(self._request(), cached_md5s=self._cache.md5s()))
        except LoginRefusedError as error:
            return NoJob(str(error), end=ExitCode.LOGIN_REFUSED)
        except UnreachableError as error:
            return self._no_answer(error, error.retry_after)
        except FarmError as error:
            return self._no_answer(error)
        self._failures = 0
        hear(answer.wish, self._control, self._listener)
        self._tidy(answer)
        if answer.job is None:
            return self._no_job(answer)
        lease = Lease(answer.job)
        self._leases.add(lease)
        return self._prepare(lease)

    def give_up(self, lease: Lease, kind: ErrorKind, reason: str, log: str = "") -> None:
        """End a lease without a picture and tell the farm why."""
        self.report(lease, kind, reason, log)
        self._leases.remove(lease)
        self.release(lease)

    def report(self, lease: Lease, kind: ErrorKind, reason: str, log: str = "") -> None:
        """Tell the farm why there is no picture."""
        lease.note(reason)
        report_failure(self._session.farm, lease, kind, log, self._listener)

    def release(self, lease: Lease) -> None:
        """The archives of a lease may go from the cache."""
        self._cache.release(lease.job.archive_md5, lease.job.renderer.md5)

    def _prepare(self, lease: Lease) -> ReadyJob | NoJob:
        job = lease.job
        self._cache.hold(job.archive_md5, job.renderer.md5)
        try:
            ready = ReadyJob(lease, self._renderer(lease), self._scene(lease))
        except FetchStoppedError:
            if self._control.stopping:
                self._leases.remove(lease)
                return NoJob("the client ends")
            kind, reason = lease.stop.kind or ErrorKind.KILLED, "the download was stopped"
        except FetchError as error:
            kind, reason = ErrorKind.DOWNLOAD_FAILED, str(error)
        except DiskFullError as error:
            kind, reason = ErrorKind.NO_DISK_SPACE, str(error)
        except UnpackError as error:
            kind, reason = ErrorKind.UNPACK_FAILED, str(error)
        else:
            self._row = 0
            return ready
        self.give_up(lease, kind, reason)
        return self._wait(reason, step(_AFTER_TROUBLE, self._row))

    def _renderer(self, lease: Lease) -> Path:
        md5 = lease.job.renderer.md5
        self._fetch(lease, ArchiveKind.RENDERER, md5)
        return self._cache.unpacked(md5, executables=("rend.exe", *MAC_EXECUTABLES))

    def _scene(self, lease: Lease) -> Path:
        md5 = lease.job.archive_md5
        self._fetch(lease, ArchiveKind.SCENE, md5)
        return self._cache.unpacked(md5, lease.job.password)

    def _fetch(self, lease: Lease, kind: ArchiveKind, md5: str) -> None:
        def heard(progress: FetchProgress) -> None:
            self._listener(Downloading(self._device, kind.name.lower(), progress.done, progress.total))

        def stopped() -> bool:
            return self._control.stopping or lease.stop.kind is not None

        lease.note(f"fetching {kind.name.lower()} {md5}")
        source = self._session.farm.archive(kind, lease.job)
        self._cache.fetch(md5, source, heard, stopped, self._control.sleep)

    def _tidy(self, answer: WorkAnswer) -> None:
        if answer.stats is not None:
            self._listener(_stats(answer.stats))
        try:
            for md5 in answer.delete_md5s:
                self._cache.delete(md5)
            self._cache.trim()
        except OSError as error:
            self._listener(Message(Level.WARNING, f"the cache cannot be tidied: {error}"))

    def _no_job(self, answer: WorkAnswer) -> NoJob:
        status = int(answer.status)
        if status in _ENDS:
            reason, code = _ENDS[status]
            return NoJob(reason, end=code)
        reason, waits = _WAITS.get(status, (f"the farm answered with unknown status {status}", _GROWING))
        pause = step(waits, self._row)
        if self._session.agreed is not None:
            pause = min(pause, _OWN_FARM_WAIT)
        return self._wait(reason, answer.wait_seconds or spread(pause))

    def _no_answer(self, error: FarmError, told: float | None = None) -> NoJob:
        self._failures += 1
        return NoJob(str(error), after_trouble(self._failures - 1, told))

    def _wait(self, reason: str, seconds: float) -> NoJob:
        self._row += 1
        return NoJob(reason, seconds)


def report_failure(farm: Farm, lease: Lease, kind: ErrorKind, log: str, listener: Listener) -> None:
    """Send the log of a failed frame. A farm that cannot be reached takes the frame back by itself later."""
    progress, job = lease.progress, lease.job
    report = ErrorReport(
        kind=kind,
        job=job.id,
        frame=job.frame,
        extras=job.extras or None,
        rendertime=round(progress.elapsed) if progress else None,
        memory_kib=progress.peak_kib if progress else None,
    )
    try:
        farm.report_error(report, "\n".join([*lease.notes, log, ""]))
    except FarmError as error:
        listener(Message(Level.WARNING, f"the farm could not be told of the failure: {error}"))


def _stats(stats: Stats) -> FarmStats:
    return FarmStats(
        credits_session=stats.credits_session,
        credits_total=stats.credits_total,
        frames_remaining=stats.frame_remaining,
        waiting_projects=stats.waiting_project,
        connected_machines=stats.connected_machine,
    )
