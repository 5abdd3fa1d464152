"""The loop of a device: get a frame, render it, into the outbox. Fetching and uploading go on beside it."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sheepfold.client.api import Connection, Farm, FarmError, UnreachableError
from sheepfold.client.blender.results import what_is_missing
from sheepfold.client.config import Settings
from sheepfold.client.control import Control, Wish
from sheepfold.client.events import (
    FrameFailed,
    FrameProgress,
    FrameStarted,
    Level,
    Listener,
    LoggedIn,
    Message,
    Waiting,
)
from sheepfold.client.fetch import Cache
from sheepfold.client.handover import Handover
from sheepfold.client.hardware import free_memory_kib
from sheepfold.client.heartbeat import Heart
from sheepfold.client.leases import Lease, OpenLeases
from sheepfold.client.outbox import Entry, Outbox
from sheepfold.client.room import blame_disk
from sheepfold.client.session import Identity, LoginRefusedError, Session
from sheepfold.client.supply import ExitCode, NoJob, ReadyJob, Supply
from sheepfold.client.task import (
    Device,
    DeviceKind,
    Progress,
    ProgressListener,
    Rendered,
    RenderFailed,
    RenderOutcome,
    RenderTask,
    StopFlag,
)
from sheepfold.client.upload import Uploader
from sheepfold.client.waits import after_trouble
from sheepfold.client.workplace import Workplace
from sheepfold.protocol.codes import ComputeMethod, ConfigStatus, ErrorKind
from sheepfold.protocol.extras import Extras
from sheepfold.protocol.messages import WorkRequest

# The next frame is asked for when this one ends within so many seconds: enough for a scene of some 100 MB.
_ASK_AHEAD_SECONDS = 30.0
_LOOK_SECONDS = 0.2
_END_SECONDS = 2.0  # how long a wait may miss that an upload's answer ended this device
_LOOK_AGAIN_SECONDS = 30.0  # how often the owner's conditions (idle, mains, timetable) are looked at
_GIVE_MEMORY_BACK_SECONDS = 120.0  # a wait from which on no Blender is kept alive
_FAILURE_WAITS = (0.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_NO_WAIT_AFTER = frozenset({ErrorKind.KILLED_BY_SERVER, ErrorKind.BLOCKED_BY_USER, ErrorKind.TIME_LIMIT})


class Renderer(Protocol):
    """Makes pictures. One for each device."""

    def render(self, task: RenderTask, listener: ProgressListener, stop: StopFlag) -> RenderOutcome:
        """Render one frame; every failure comes back as a value. Ends soon after `stop` is set."""
        ...

    def close(self) -> None:
        """End whatever lives on between frames."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What all devices of this client share."""

    settings: Settings
    identity: Identity
    cache: Cache
    outbox: Outbox
    control: Control
    listener: Listener
    why_wait: Callable[[], str | None] = lambda: None  # the owner's conditions, in words when one is not met


class DeviceLoop:
    """One device with its session, from login to logout."""

    def __init__(self, desk: Desk, device: Device, renderer: Renderer, mine: Callable[[Entry], bool]) -> None:
        """`mine`: the waiting frames of earlier runs that this device hands over."""
        settings = desk.settings
        self._desk, self._device, self._renderer = desk, device, renderer
        self._control, self._listener = desk.control, desk.listener
        connection = Connection(settings.server, settings.proxy, settings.ca_file, settings.bandwidth)
        self._session = Session(Farm(connection), desk.identity, Extras(), self._finished_tokens)
        self._leases = OpenLeases()
        self._supply = Supply(
            device.name, self._session, desk.cache, self._leases, desk.listener, self._request, desk.control
        )
        self._handover = Handover(settings, device, desk.outbox, self._leases, self._supply, desk.listener)
        self._uploader = Uploader(
            desk.outbox, self._session, settings.server, desk.listener, mine, self._machine_broken
        )
        self._heart = Heart(self._session, self._leases, desk.control, desk.listener)
        self._ahead: Future[ReadyJob | NoJob] | None = None
        self._ahead_pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._workplace = Workplace(device, settings)
        self._complete: tuple[Path, Path, str] | None = None  # the archives of the last frame, nothing missing
        self._last_seconds: float | None = None
        self._failures = 0
        self._rendered = 0
        self._threw_away = False
        self._end: ExitCode | None = None

    def run(self) -> ExitCode:
        """Work until the owner or the farm ends it. Returns why."""
        self._workplace.remove()
        try:
            if self._log_in():
                self._heart.start()
                self._uploader.start()
                self._work_on()
        finally:
            self._wind_up()
        return self._exit_code()

    def kill(self) -> None:
        """End the frame that renders now, without a report."""
        for lease in self._leases.all():
            lease.stop.set(ErrorKind.KILLED)

    def block_project(self) -> None:
        """End the frame that renders now and tell the farm that the owner does not want its project."""
        leases = self._leases.all()
        for lease in leases:
            if lease.job.id == leases[0].job.id:
                lease.stop.set(ErrorKind.BLOCKED_BY_USER)

    def _log_in(self) -> bool:
        """Try until the farm is there. False when it refuses us or the owner ends the client."""
        tries = 0
        while not self._control.stopping:
            try:
                self._session.open()
                self._greet()
                return True
            except LoginRefusedError as error:
                if error.status != ConfigStatus.WEB_SESSION_EXPIRED:
                    self._leave(ExitCode.LOGIN_REFUSED, str(error))
                    return False
                reason, told = str(error), None
            except FarmError as error:
                reason = str(error)
                told = error.retry_after if isinstance(error, UnreachableError) else None
            pause = after_trouble(tries, told)
            tries += 1
            self._listener(Waiting(self._device.name, reason, pause))
            self._control.sleep(pause)
        return False

    def _greet(self) -> None:
        server, session = self._desk.settings.server, self._session
        sheepfold = session.agreed is not None
        self._listener(LoggedIn(self._device.name, server, sheepfold, round(session.heartbeat_seconds)))

    def _request(self) -> WorkRequest:
        settings, device = self._desk.settings, self._device
        gpu = device.kind is DeviceKind.GPU
        free = free_memory_kib()
        return WorkRequest(
            compute_method=ComputeMethod.GPU if gpu else ComputeMethod.CPU,
            cpu_cores=self._desk.identity.cores,
            ram_max_kib=min(settings.memory // 1024, free) if settings.memory else free,
            rendertime_max=settings.frame_time,
            gpu_model=device.name if gpu else None,
            gpu_ram=device.memory if gpu else None,
            gpu_type=device.compute_type if gpu else None,
            open_tokens=tuple(dict.fromkeys([*self._leases.tokens(), *self._finished_tokens()])),
        )

    def _finished_tokens(self) -> tuple[str, ...]:
        """The leases of all frames in the outbox, whichever device made them."""
        return tuple(entry.upload.extras for entry in self._desk.outbox.entries(self._desk.settings.server))

    def _count_open(self) -> int:
        waiting = (entry.upload.extras for entry in self._uploader.waiting())
        return len({*self._leases.tokens(), *filter(None, waiting)})

    def _leave(self, code: ExitCode, reason: str) -> None:
        self._end = self._end or code
        self._listener(Message(Level.ERROR, reason))

    def _machine_broken(self, reason: str) -> None:
        self._leave(ExitCode.SESSION_DISABLED, reason)

    def _wind_up(self) -> None:
        """End in an order that loses nothing: the renderer, then the last uploads, then the session."""
        patient = not self._control.stopping_now
        self._ahead_pool.shutdown(wait=patient)
        self._handover.close()
        self._renderer.close()
        self._uploader.close(patient)
        self._heart.close()
        if self._session.number > 0:
            self._uploader.flush(lambda: self._control.stopping_now)
            try:
                self._session.farm.log_out()
            except FarmError as error:
                self._listener(Message(Level.WARNING, f"no logout: {error}"))
        self._session.farm.close()
        self._workplace.remove()

    def _exit_code(self) -> ExitCode:
        if self._end is not None:
            return self._end
        if self._uploader.waiting():
            return ExitCode.FRAMES_WAITING
        return ExitCode.STOPPED_NOW if self._threw_away else ExitCode.OK

    def _work_on(self) -> None:
        while self._end is None and not self._is_over():
            if not self._may_work():
                continue
            job = self._next_job()
            if isinstance(job, ReadyJob):
                self._work_at(job)
            elif job.end is not None:
                self._leave(job.end, job.reason)
            else:
                self._wait_for_work(job)

    def _is_over(self) -> bool:
        """Whether to end. A stop on the farm's site may have been taken back since it was last heard of."""
        if self._control.stopping and self._control.held_by_site and not self._control.stopping_now:
            self._heart.beat()
        return self._control.stopping

    def _wait_for_work(self, job: NoJob) -> None:
        if self._control.wish is not Wish.RUN:  # heard with this answer: that is what there is to tell
            return
        if job.seconds >= _GIVE_MEMORY_BACK_SECONDS:
            self._renderer.close()
        self._listener(Waiting(self._device.name, job.reason, job.seconds))
        until = time.monotonic() + job.seconds
        while self._end is None and (left := until - time.monotonic()) > 0:
            if self._control.wait(min(left, _END_SECONDS)):
                return

    def _may_work(self) -> bool:
        """Wait for a while when the owner does not want work now."""
        if self._control.wish is Wish.PAUSE:
            self._give_back()
            where = " on the farm's site" if self._control.held_by_site else ""
            self._listener(Waiting(self._device.name, f"paused{where}", None))
            self._control.wait_while_paused()
            return False
        reason = self._desk.why_wait()
        if reason is not None:
            self._give_back()
            self._listener(Waiting(self._device.name, reason, _LOOK_AGAIN_SECONDS))
            self._control.wait(_LOOK_AGAIN_SECONDS)
        return reason is None

    def _next_job(self) -> ReadyJob | NoJob:
        """The frame that was asked for ahead, else a new one. An old "no" is asked again."""
        ahead, self._ahead = self._ahead, None
        job = ahead.result() if ahead is not None else None
        if isinstance(job, ReadyJob):
            return job
        self._wait_for_room()
        return self._supply.next()

    def _give_back(self) -> None:
        """Let another machine have the frame that was asked for ahead, while this one must not render."""
        ahead, self._ahead = self._ahead, None
        job = ahead.result() if ahead is not None else None
        if isinstance(job, ReadyJob):
            self._supply.give_up(job.lease, ErrorKind.KILLED, "the owner of this machine wants no work now")

    def _wait_for_room(self) -> None:
        """Let uploads end that are under way: a farm does not give a session more than it may hold."""
        while len(self._leases.all()) + self._uploader.under_way() >= self._session.most_open_frames:
            if self._control.stopping:
                return
            self._desk.outbox.wait(_LOOK_SECONDS)

    def _ask_ahead(self) -> None:
        """Get the next frame while this one renders, where the farm lets a session hold several."""
        if not self._desk.settings.prefetch or self._ahead is not None or self._enough_frames():
            return
        if self._control.wish is Wish.RUN and self._count_open() < self._session.most_open_frames:
            self._ahead = self._ahead_pool.submit(self._supply.next)

    def _enough_frames(self) -> bool:
        most = self._desk.settings.max_frames
        return most is not None and self._rendered + 1 >= most

    def _work_at(self, ready: ReadyJob) -> None:
        lease, job = ready.lease, ready.lease.job
        self._listener(FrameStarted(self._device.name, job.name, job.id, job.frame))
        try:
            task = self._workplace.task(ready, self._control.priority)
        except OSError as error:
            self._finish(ready, _failed(ErrorKind.NO_DISK_SPACE, f"there is no room to work: {error}"))
            return
        if self._last_seconds is not None and self._last_seconds <= _ASK_AHEAD_SECONDS:
            self._ask_ahead()
        try:
            self._finish(ready, self._render(task, lease))
        finally:
            self._workplace.keep_only(task)
            self._handover.clear(task.work_dir)

    def _render(self, task: RenderTask, lease: Lease) -> RenderOutcome:
        parts = (task.renderer_dir, task.scene_dir, task.scene)
        missing = None if parts == self._complete else what_is_missing(task)
        if missing is not None:
            return _failed(*missing)
        self._complete = parts

        def heard(progress: Progress) -> None:
            lease.progress = progress
            self._tell_progress(lease, progress)
            if progress.remaining is not None and progress.remaining <= _ASK_AHEAD_SECONDS:
                self._ask_ahead()

        return blame_disk(self._renderer.render(task, heard, lease.stop), task.work_dir)

    def _finish(self, ready: ReadyJob, outcome: RenderOutcome) -> None:
        if isinstance(outcome, RenderFailed):
            self._fail(ready, outcome)
            return
        for note in outcome.notes:
            self._listener(Message(Level.WARNING, note))
        self._failures = 0
        self._rendered += 1
        self._last_seconds = outcome.seconds
        self._hand_over(ready.lease, outcome)
        most = self._desk.settings.max_frames
        if most is not None and self._rendered >= most:
            self._control.stop_after_frame()

    def _hand_over(self, lease: Lease, outcome: Rendered) -> None:
        """Into the outbox. A farm that lets us hold one frame only is waited for."""
        entry = self._handover.put(lease, outcome)
        if entry is not None and self._session.most_open_frames == 1:
            self._uploader.wait_for_try(entry, lambda: self._control.stopping_now)

    def _fail(self, ready: ReadyJob, outcome: RenderFailed) -> None:
        lease, job = ready.lease, ready.lease.job
        self._listener(FrameFailed(self._device.name, job.id, job.frame, outcome.kind, outcome.message))
        if self._control.stopping_now:
            self._leases.remove(lease)
            self._threw_away = True
            return
        self._supply.give_up(lease, outcome.kind, outcome.message, outcome.log)
        if outcome.kind in (ErrorKind.RENDERER_MISSING, ErrorKind.SCENE_MISSING):
            self._desk.cache.delete(job.renderer.md5)
            self._desk.cache.delete(job.archive_md5)
        if outcome.kind not in _NO_WAIT_AFTER:
            pause = _FAILURE_WAITS[min(self._failures, len(_FAILURE_WAITS) - 1)]
            self._failures += 1
            self._control.wait(pause)

    def _tell_progress(self, lease: Lease, progress: Progress) -> None:
        self._listener(
            FrameProgress(
                device=self._device.name,
                job=lease.job.id,
                frame=lease.job.frame,
                fraction=progress.fraction,
                elapsed=progress.elapsed,
                remaining=progress.remaining,
                memory_kib=progress.peak_kib,
            )
        )


def _failed(kind: ErrorKind, message: str) -> RenderFailed:
    """A failure before anything was started."""
    return RenderFailed(kind, message, seconds=0.0, peak_kib=0, log="")
