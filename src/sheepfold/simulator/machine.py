"""The life of one simulated machine."""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from sheepfold.protocol.codes import (
    ArchiveKind,
    ConfigStatus,
    ErrorKind,
    HeartbeatStatus,
    Os,
    UploadStatus,
    WorkStatus,
)
from sheepfold.protocol.extras import Extras, format_extras
from sheepfold.protocol.messages import ErrorReport, FrameUpload, Heartbeat, Job, SessionRequest, WorkRequest
from sheepfold.simulator.ledger import Ledger, Tile
from sheepfold.simulator.pictures import picture, wrong_picture
from sheepfold.simulator.scenarios import Habits
from sheepfold.simulator.wire import NoLease, Unreachable, Wire

LONGEST_WAIT = 0.5  # seconds; simulated machines have no patience
_EXPECTED_WORK = frozenset({WorkStatus.NO_JOB, WorkStatus.SESSION_DEAD, WorkStatus.SESSION_DISABLED})


@dataclass(frozen=True, slots=True)
class Account:
    """With what the machines log in."""

    login: str
    key: str


@dataclass(frozen=True, slots=True)
class Task:
    """What all machines know of the projects. Size in pixels; `poisoned`: jobs that fail everywhere."""

    width: int
    height: int
    poisoned: frozenset[int] = frozenset()


@dataclass(slots=True)
class Machine:
    """One computer. `over` is set when there is nothing left to do."""

    number: int
    account: Account
    task: Task
    habits: Habits
    random: Random
    wire: Wire
    ledger: Ledger
    over: asyncio.Event
    _archives: set[str] = field(default_factory=set)
    _begun: int = 0  # frames
    _disabled: bool = False
    _asked: float = 0.0  # for the job that it renders, on the clock of `time.monotonic`

    async def live(self) -> None:
        """Render until the end, whatever happens to the farm."""
        await self._rest(self.habits.starts_after)
        while not self.over.is_set() and not self._disabled:
            try:
                if await self._log_in():
                    await self._work()
            except Unreachable:
                await self._rest(self.random.uniform(0.1, LONGEST_WAIT))

    async def _log_in(self) -> bool:
        request = SessionRequest(
            login=self.account.login,
            password=self.account.key,
            version="1.0.0",
            os=Os.LINUX,
            bits=64,
            cpu_family="6",
            cpu_model="42",
            cpu_model_name="simulated",
            cpu_cores=4,
            ram_kib=16 << 20,
            hostname=f"simulated-{self.number}",
            extras=format_extras(Extras(heartbeat=10, leases=1)) if self.habits.own_client else "",
        )
        answer = await self.wire.open_session(request)
        if answer.status != ConfigStatus.OK:
            self.ledger.surprises.append(f"machine {self.number} was refused a session: {answer.status}")
        self.ledger.logins += 1
        return answer.status == ConfigStatus.OK

    async def _work(self) -> None:
        """Until the session ends. Raises Unreachable."""
        while not self.over.is_set():
            self._asked = time.monotonic()
            answer = await self.wire.ask(WorkRequest(open_tokens=() if self.habits.own_client else None))
            self.ledger.claim_times.append(time.monotonic() - self._asked)
            self.ledger.work_answers[int(answer.status)] += 1
            if answer.job is not None:
                if not await self._render(answer.job):
                    return
            elif answer.status == WorkStatus.SESSION_DEAD:
                return
            elif answer.status == WorkStatus.SESSION_DISABLED:
                self._disabled = True
                return
            else:
                self._check_expected(int(answer.status))
                await self._rest(self.random.uniform(0.1, LONGEST_WAIT))
        await self.wire.log_out()

    def _check_expected(self, status: int) -> None:
        if status not in _EXPECTED_WORK:
            self.ledger.surprises.append(f"a job request was answered {status}")

    async def _render(self, job: Job) -> bool:
        """One frame. False when the session is left."""
        self.ledger.jobs += 1
        try:
            await self._fetch(ArchiveKind.RENDERER, job, job.renderer.md5)
            await self._fetch(ArchiveKind.SCENE, job, job.archive_md5)
        except NoLease:
            self.ledger.lost_leases += 1
            return True
        seconds = self.random.uniform(*self.habits.rendering)
        started = time.monotonic()
        await asyncio.sleep(seconds / 2)
        self._begun += 1
        if self._begun == self.habits.vanishes_at:
            self.ledger.vanished += 1
            self.wire.forget_session()
            return False
        if await self.wire.beat(Heartbeat(job=job.id, frame=job.frame, extras=job.extras)) == HeartbeatStatus.STOP:
            return True
        await asyncio.sleep(seconds / 2)
        if job.id in self.task.poisoned:
            await self.wire.report(ErrorReport(ErrorKind.RENDERER_CRASHED, job.id, job.frame, job.extras))
            return True
        return await self._hand_in(job, round(time.monotonic() - started, 3))

    async def _fetch(self, kind: ArchiveKind, job: Job, md5: str) -> None:
        if md5 not in self._archives:
            await self.wire.fetch(kind, job, md5)
            self._archives.add(md5)

    async def _hand_in(self, job: Job, seconds: float) -> bool:
        goes_first = self.random.random() < self.habits.late
        if goes_first:
            await self.wire.log_out()
        statuses = await asyncio.gather(*(self._upload(job, seconds) for _ in range(2 if self.habits.repeats else 1)))
        if self.habits.repeats:
            await self._upload(job, seconds)
        if self.habits.reports_after and UploadStatus.OK in statuses:
            await self.wire.report(ErrorReport(ErrorKind.UNKNOWN, job.id, job.frame, job.extras))
        return not goes_first

    async def _upload(self, job: Job, seconds: float) -> int:
        """Send the frame until the farm says something about it, as an outbox on disk does."""
        tile = Tile(job.id, job.frame)
        image = self._picture(job)
        frame = FrameUpload(
            job=job.id, frame=job.frame, extras=job.extras, rendertime=seconds + self.habits.clock_jumps
        )
        while True:
            try:
                status = await self.wire.upload(
                    frame, b"no picture" if self.habits.undecodable else image, self.habits.upload_seconds
                )
            except Unreachable:
                self.ledger.unanswered[tile].append(seconds)
                if self.over.is_set():
                    return UploadStatus.UPLOAD_FAILED
                await asyncio.sleep(self.random.uniform(0.1, LONGEST_WAIT))
                continue
            self._note(tile, status, seconds)
            self._note_cheating(status)
            forgotten = not self.habits.own_client or self.over.is_set()
            if status != UploadStatus.UPLOAD_FAILED or forgotten:
                return status
            await asyncio.sleep(self.random.uniform(0.1, LONGEST_WAIT))

    def _picture(self, job: Job) -> bytes:
        size = (self.task.width, self.task.height)
        if self._cheats:
            return wrong_picture(job.id, job.frame, *size, self.number)
        return picture(job.id, job.frame, *size)

    @property
    def _cheats(self) -> bool:
        return 0 < self.habits.wrong_from <= self._begun

    def _note_cheating(self, status: int) -> None:
        if self._cheats and status == UploadStatus.OK:
            self.ledger.wrong[self.number] += 1
            if self.habits.wrong_from == 1:
                self.ledger.never_right.add(self.number)

    def _note(self, tile: Tile, status: int, seconds: float) -> None:
        self.ledger.upload_answers[status] += 1
        if status == UploadStatus.OK:
            self.ledger.taken[tile].append(seconds)
            if self.habits.clock_jumps:
                self.ledger.held[tile].append((seconds, time.monotonic() - self._asked))
            self.ledger.taken_at.append(time.monotonic())
        elif status == UploadStatus.UPLOAD_FAILED and self.ledger.hurt:
            self.ledger.troubles["frame not kept"] += 1
        elif self.habits.undecodable and status in (UploadStatus.NOT_AN_IMAGE, UploadStatus.SESSION_DISABLED):
            self.ledger.broken.add(self.number)
        elif not (self._cheats and status == UploadStatus.SESSION_DISABLED):
            self.ledger.surprises.append(f"machine {self.number} sent a good picture of {tile} and heard {status}")

    async def _rest(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        try:
            await asyncio.wait_for(self.over.wait(), seconds)
        except TimeoutError:
            return
