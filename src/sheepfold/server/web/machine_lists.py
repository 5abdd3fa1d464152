"""Machines with what each is doing, and why one gets no work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from sheepfold.protocol.codes import ComputeMethod
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.protocol.shortcomings import shortcomings
from sheepfold.server.accounts.models import User
from sheepfold.server.dispatch.eligibility import Obstacle, Offer, obstacle
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.picture import take_picture
from sheepfold.server.frames.queries import tile_counts_of
from sheepfold.server.machines.models import LIVE_STATUSES, Machine, Session, SessionStatus
from sheepfold.server.machines.queries import is_live, sessions_of_tokens
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.permissions import visible_projects

RECENT = timedelta(days=7)  # frames and failures shown


@dataclass(frozen=True, slots=True)
class Task:
    """A frame that a machine renders now. Times in seconds, as its last heartbeat said."""

    project_id: int
    project: str
    frame: int
    rendertime: int
    remaining: int

    @property
    def percent(self) -> int | None:
        """How far it is; None if it has not said."""
        return 100 * self.rendertime // (self.rendertime + self.remaining) if self.remaining else None


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A machine in a list. `done` and `failed` leases of the last week."""

    machine: Machine
    session: Session | None
    tasks: Sequence[Task]
    done: int
    failed: int

    @property
    def state(self) -> tuple[str, str]:
        """(colour, words)."""
        if self.machine.disabled_reason:
            return "bad", "disabled"
        if self.machine.paused or (self.session and self.session.status == SessionStatus.PAUSED):
            return "", "finishes its frame, then pauses" if self.tasks else "paused"
        if self.session is None:
            return "", "not connected"
        return ("busy", "rendering") if self.tasks else ("good", "waiting for work")


def machine_lines(machines: Sequence[Machine], now: datetime) -> list[MachineLine]:
    """The same machines in the same order; four queries however many there are."""
    ids = [machine.pk for machine in machines]
    live = Session.objects.filter(machine__in=ids, status__in=LIVE_STATUSES, expires_at__gte=now).order_by("id")
    sessions = {session.machine_id: session for session in live}
    tasks = _tasks(ids)
    counts = _counts(ids, now - RECENT)
    return [
        MachineLine(machine, sessions.get(machine.pk), tasks.get(machine.pk, ()), *counts.get(machine.pk, (0, 0)))
        for machine in machines
    ]


def _tasks(machine_ids: Iterable[int]) -> dict[int, list[Task]]:
    leases = list(Lease.objects.filter(machine_id__in=machine_ids, end=LeaseEnd.OPEN).order_by("id"))
    names = dict(Project.objects.filter(pk__in={lease.project_id for lease in leases}).values_list("id", "name"))
    found: dict[int, list[Task]] = {}
    for lease in leases:
        task = Task(lease.project_id, names[lease.project_id], lease.frame, lease.rendertime, lease.remainingtime)
        found.setdefault(lease.machine_id, []).append(task)
    return found


def _counts(machine_ids: Iterable[int], since: datetime) -> dict[int, tuple[int, int]]:
    ended = Lease.objects.filter(machine_id__in=machine_ids, ended_at__gte=since).values_list("machine_id")
    failed = Q(end__in=(LeaseEnd.ERRORED, LeaseEnd.REJECTED, LeaseEnd.EXPIRED))
    rows = ended.annotate(done=Count("id", filter=Q(end=LeaseEnd.ACCEPTED)), lost=Count("id", filter=failed))
    return {machine_id: (done, lost) for machine_id, done, lost in rows}


@dataclass(frozen=True, slots=True)
class ClientWords:
    """Which client a machine runs, as the farm has recognised it, and what that client cannot do."""

    kind: str
    shortcomings: tuple[str, ...]


def client_of(machine: Machine) -> ClientWords | None:
    """By the machine's last session; None if it has had none."""
    generation = Session.objects.filter(machine=machine).order_by("-id").values_list("generation", flat=True).first()
    if generation is None:
        return None
    known = Generation(generation)
    return ClientWords(traits_of(known).label, shortcomings(known))


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a machine gets no work of a project. The project's name is shown only to whoever may see it."""

    name: str
    words: str
    eligible: bool


def no_work_reasons(machine: Machine, *, seen_by: User, now: datetime) -> tuple[str, list[Answer]]:
    """What holds for the machine as a whole (empty: nothing), then project by project."""
    session = Session.objects.filter(machine=machine, status__in=LIVE_STATUSES).order_by("-id").first()
    facts = sessions_of_tokens([session.token_hash]).get(session.token_hash) if session else None
    if session is None or facts is None or not is_live(facts, now):
        return "It is not connected. Start the client on it.", []
    offer = Offer(ComputeMethod(session.compute_method), bool(machine.gpu_name), session.ram_max_kib)
    picture = take_picture()
    names = dict(visible_projects(seen_by).values_list("id", "name"))
    counts = tile_counts_of(picture.projects)
    answers = []
    for project in picture.projects.values():
        reason = obstacle(facts, offer, project)
        waiting = counts[project.id].waiting if project.id in counts else 0
        answers.append(Answer(names.get(project.id, "somebody's project"), _words(reason, waiting), reason is None))
    return _whole(machine, facts.may_render, bool(answers)), answers


def _words(reason: Obstacle | None, waiting: int) -> str:
    if reason is not None:
        return str(reason)
    return f"it may: {waiting} frames wait" if waiting else "all of its frames are done or being rendered"


def _whole(machine: Machine, may_render: bool, any_project: bool) -> str:
    if machine.disabled_reason:
        return f"The farm disabled it: {machine.disabled_reason}"
    if machine.paused:
        return "It is paused. Resume it to give it work."
    if not may_render:
        return "Its owner may not render on this farm. An admin can change that."
    return "" if any_project else "No project has frames to render."
