"""Machines with what each is doing, and why one gets no work."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from sheepfold.protocol.codes import ComputeMethod, OwnerWish
from sheepfold.protocol.extras import STEERED_FROM
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.protocol.shortcomings import shortcomings
from sheepfold.server.accounts.models import User
from sheepfold.server.dispatch.eligibility import Obstacle, Offer, obstacle
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.dispatch.picture import claimable_projects
from sheepfold.server.frames.queries import tile_counts_of
from sheepfold.server.machines.models import ASKED, LIVE_STATUSES, STOPPING, Machine, Session, StopWish
from sheepfold.server.machines.queries import is_live, last_heard, sessions_of_tokens
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
    heard_at: datetime | None = None

    @property
    def state(self) -> tuple[str, str]:
        """(colour, words)."""
        if self.machine.disabled_reason:
            return "bad", "disabled"
        if self.session is None:
            return "", _gone_words(self.machine)
        if self.machine.wish in STOPPING:
            return "busy" if self.tasks else "", _stop_words(self.machine, self.session, bool(self.tasks))
        if self.machine.paused:
            return "", _pause_words(self.session, bool(self.tasks))
        if self.session.obeys == ASKED:
            return "", "is being told to go on"
        if self.session.obeys in _HERE:
            return "", _HERE[self.session.obeys]
        return ("busy", "rendering") if self.tasks else ("good", "waiting for work")

    @property
    def steered(self) -> bool:
        """Whether its client can be told to stop."""
        return self.session is not None and self.session.own_protocol >= STEERED_FROM

    @property
    def stopping(self) -> bool:
        """Whether its owner wants it to end, and it has not yet."""
        return self.machine.wish in STOPPING


# what somebody said at the machine itself, by what its client obeys although the site does not want it
_HERE: dict[str, str] = {
    OwnerWish.PAUSE: "paused at the machine",
    OwnerWish.STOP_AFTER_FRAME: "ends after its frame, as told at the machine",
    OwnerWish.STOP_NOW: "ends, as told at the machine",
}


def _gone_words(machine: Machine) -> str:
    if machine.wish in STOPPING:
        return "not connected; stops when it comes back"
    if machine.wish == StopWish.STOPPED:
        return "stopped"
    return "paused, not connected" if machine.paused else "not connected"


def _stop_words(machine: Machine, session: Session, renders: bool) -> str:
    if session.obeys != machine.wish:
        return "is being told to stop" if machine.wish == StopWish.NOW else "is being told to stop after its frame"
    return "will stop after this frame" if renders and machine.wish == StopWish.AFTER_FRAME else "is stopping"


def _pause_words(session: Session, renders: bool) -> str:
    if session.own_protocol >= STEERED_FROM and session.obeys != OwnerWish.PAUSE:
        return "is being told to pause"
    return "finishes its frame, then pauses" if renders else "paused"


def machine_lines(machines: Sequence[Machine], now: datetime) -> list[MachineLine]:
    """The same machines in the same order; five queries however many there are."""
    ids = [machine.pk for machine in machines]
    live = Session.objects.filter(machine__in=ids, status__in=LIVE_STATUSES, expires_at__gte=now).order_by("id")
    sessions = {session.machine_id: session for session in live}
    tasks = _tasks(ids)
    counts = _counts(ids, now - RECENT)
    heard = last_heard(ids)
    return [
        MachineLine(
            machine,
            sessions.get(machine.pk),
            tasks.get(machine.pk, ()),
            *counts.get(machine.pk, (0, 0)),
            heard_at=heard.get(machine.pk),
        )
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
        stopped = "It was stopped from here. " if machine.wish == StopWish.STOPPED else ""
        return f"{stopped}It is not connected. Start the client on it.", []
    offer = Offer(ComputeMethod(session.compute_method), bool(machine.gpu_name), session.ram_max_kib)
    projects = claimable_projects()
    names = dict(visible_projects(seen_by).values_list("id", "name"))
    counts = tile_counts_of(projects)
    answers = []
    for project in projects.values():
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
    if machine.wish in STOPPING:
        return "It is about to stop. Take that back to give it work."
    if machine.paused:
        return "It is paused. Resume it to give it work."
    if not may_render:
        return "Its owner may not render on this farm. An admin can change that."
    return "" if any_project else "No project has frames to render."
