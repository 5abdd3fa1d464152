"""A machine asks for work. `serve_work` is a group handler: all requests that gathered get their tiles together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sheepfold.protocol.codes import OwnerWish, WorkStatus
from sheepfold.protocol.generations import Generation, after_work_request
from sheepfold.protocol.messages import Job, Stats, WorkRequest
from sheepfold.server.core.clock import now
from sheepfold.server.core.events import EventFact, publish_many
from sheepfold.server.core.switches import FarmSwitch, switches_on
from sheepfold.server.dispatch.actions import count_resent, mark_passed
from sheepfold.server.dispatch.claims import Claim, Grant, claim
from sheepfold.server.dispatch.eligibility import Offer
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.dispatch.picture import PictureBook
from sheepfold.server.dispatch.queries import LeaseFacts, open_by_session
from sheepfold.server.machines.actions import record_generation, record_offer, record_signs_of_life
from sheepfold.server.machines.models import SessionStatus
from sheepfold.server.machines.queries import Offered, SessionFacts, is_live, sessions_of_tokens
from sheepfold.server.pipeline import endings
from sheepfold.server.pipeline.farm_facts import FarmFacts
from sheepfold.server.pipeline.orders import JobWriter
from sheepfold.server.pipeline.trials import give_trials
from sheepfold.server.pipeline.verifying import VerificationBook, give_verifications

SWITCHED = {FarmSwitch.MAINTENANCE: WorkStatus.MAINTENANCE, FarmSwitch.OVERLOADED: WorkStatus.OVERLOADED}
GPU_NAME_LENGTH = 200  # what the row holds
RAM_CHANGE = 1 / 8
MAX_RESENT = 2  # a client that never reports and asks for the same tile so often has failed it


@dataclass(frozen=True, slots=True)
class WorkQuery:
    """A job request with the hash of its session's cookie. `sent`: the names of its parameters."""

    token_hash: str
    request: WorkRequest
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkReply:
    """What the machine is told. `job` lacks the `validation_url`, which only the edge knows."""

    status: WorkStatus
    generation: str
    job: Job | None = None
    stats: Stats | None = None
    delete_md5s: tuple[str, ...] = ()
    wait_seconds: int | None = None  # when to ask again; only Sheepfold's client obeys
    wish: OwnerWish | None = None  # for clients that obey their owner's wish on the site


class WorkDesk:
    """Serves job requests in one process; keeps the picture of open projects and the farm's slow numbers."""

    def __init__(self) -> None:
        self.book = PictureBook()
        self.verifications = VerificationBook()
        self.facts = FarmFacts()

    def serve_work(self, queries: Sequence[WorkQuery]) -> list[WorkReply]:
        """One reply for each query, in the order asked."""
        moment = now()
        sessions = sessions_of_tokens([query.token_hash for query in queries])
        live = {token: session for token, session in sessions.items() if is_live(session, moment)}
        record_signs_of_life(sessions={(one.id, one.max_silence) for one in live.values()}, now=moment)
        replies: dict[int, WorkReply] = {}
        asking: dict[int, SessionFacts] = {}
        for index, query in enumerate(queries):
            refusal = _refusal(live.get(query.token_hash))
            if refusal is not None:
                session = sessions.get(query.token_hash)
                wait = self.facts.wait_seconds()
                replies[index] = WorkReply(refusal, _generation(session), wait_seconds=wait, wish=_wish(session))
            else:
                asking[index] = _better_known(live[query.token_hash], query)
        replies |= self._serve(queries, asking, moment)
        return [replies[index] for index in range(len(queries))]

    def _serve(
        self, queries: Sequence[WorkQuery], asking: dict[int, SessionFacts], moment: datetime
    ) -> dict[int, WorkReply]:
        grants = self._resend(queries, asking, moment)
        claims = {i: Claim(one, _offer(queries[i].request)) for i, one in asking.items() if i not in grants}
        if FarmSwitch.TEST_MACHINES in switches_on():
            grants |= give_trials(claims, now=moment)
        claims = {index: one for index, one in claims.items() if index not in grants}
        grants |= give_verifications(claims, self.verifications, now=moment)
        claims = {index: one for index, one in claims.items() if index not in grants}
        grants |= dict(zip(claims, claim(list(claims.values()), book=self.book, now=moment), strict=True))
        _announce(grants.values())
        self.facts.look_up_balances(one.user_id for one in asking.values())
        writer = JobWriter([grant.lease.project_id for grant in grants.values() if isinstance(grant, Grant)])
        return {
            index: self._reply(asking[index], queries[index].request, grant, writer) for index, grant in grants.items()
        }

    def _resend(
        self, queries: Sequence[WorkQuery], asking: dict[int, SessionFacts], moment: datetime
    ) -> dict[int, Grant | WorkStatus]:
        """Sessions that hold a lease whose answer they never got are given it again."""
        held = open_by_session([session.id for session in asking.values()])
        found: dict[int, Grant | WorkStatus] = {}
        for index, session in asking.items():
            leases = held.get(session.id, [])
            lost = _lost_lease(session, queries[index].request, leases, moment)
            if lost is not None:
                found[index] = Grant(lost, on_gpu=_offer(queries[index].request).has_gpu, again=True)
            elif len(leases) >= session.max_leases and session.own_protocol:
                found[index] = WorkStatus.NO_JOB
        again = {grant.lease.id for grant in found.values() if isinstance(grant, Grant)}
        count_resent(lease_ids=list(again))
        passed = {lease.id for index, one in asking.items() if not one.own_protocol for lease in held.get(one.id, [])}
        mark_passed(lease_ids=list(passed - again), now=moment)
        return found

    def _reply(
        self, session: SessionFacts, request: WorkRequest, grant: Grant | WorkStatus, writer: JobWriter
    ) -> WorkReply:
        delete = self.facts.unwanted(request.cached_md5s)
        stats = self.facts.stats(session)
        if isinstance(grant, WorkStatus):
            wait = self.facts.wait_seconds()
            return WorkReply(grant, session.generation, None, stats, delete, wait, _wish(session))
        job = writer.job(grant.lease, (session.os, session.bits), grant.on_gpu)
        needed = {job.archive_md5, job.renderer.md5}
        return WorkReply(
            WorkStatus.OK,
            session.generation,
            job,
            stats,
            tuple(md5 for md5 in delete if md5 not in needed),
            wish=_wish(session),
        )


def _announce(grants: Iterable[Grant | WorkStatus]) -> None:
    """Pages show that tiles are being rendered; one event a project is enough."""
    started = {grant.lease.project_id for grant in grants if isinstance(grant, Grant)}
    publish_many(facts=[EventFact(f"project:{project_id}", "tiles") for project_id in started], now=now())


def _wish(session: SessionFacts | None) -> OwnerWish | None:
    return session.wish if session is not None and session.steered else None


def _generation(session: SessionFacts | None) -> str:
    return session.generation if session else Generation.UNKNOWN.value


def _better_known(session: SessionFacts, query: WorkQuery) -> SessionFacts:
    """The session with what this request tells about its client and its machine."""
    offered = _offered(query.request)
    if _differs(offered, session.offered):
        record_offer(session_id=session.id, machine_id=session.machine_id, offer=offered)
    generation = after_work_request(Generation(session.generation), query.sent)
    if generation == session.generation:
        return session
    record_generation(session_id=session.id, generation=generation)
    return replace(session, generation=generation.value)


def _offered(request: WorkRequest) -> Offered:
    gpu_name = (request.gpu_model or "")[:GPU_NAME_LENGTH]
    return Offered(request.compute_method, request.cpu_cores, request.ram_max_kib, gpu_name)


def _differs(new: Offered, old: Offered) -> bool:
    """Some clients send the memory that is free at the moment; only a real change is worth a write."""
    if replace(new, ram_max_kib=old.ram_max_kib) != old:
        return True
    if new.ram_max_kib is None or old.ram_max_kib is None:
        return new.ram_max_kib != old.ram_max_kib
    return abs(new.ram_max_kib - old.ram_max_kib) > old.ram_max_kib * RAM_CHANGE


def _refusal(session: SessionFacts | None) -> WorkStatus | None:
    if session is None:
        return WorkStatus.SESSION_DEAD
    if session.status == SessionStatus.DISABLED:
        return WorkStatus.SESSION_DISABLED
    if not session.may_render:
        return WorkStatus.NO_RENDERING_RIGHT
    if session.wish is not OwnerWish.RUN:
        return WorkStatus.NO_JOB
    return next((status for switch, status in SWITCHED.items() if switch in switches_on()), None)


def _offer(request: WorkRequest) -> Offer:
    gpu_name = request.gpu_model or ""
    has_gpu = request.gpu_model is not None
    return Offer(request.compute_method, has_gpu, request.ram_max_kib, gpu_name, request.cached_md5s)


def _lost_lease(
    session: SessionFacts, request: WorkRequest, leases: list[LeaseFacts], moment: datetime
) -> LeaseFacts | None:
    """The lease to send again. Sheepfold's client names what it holds; of others the oldest is due when all are out."""
    if request.open_tokens is not None:
        return next((lease for lease in leases if lease.token not in request.open_tokens), None)
    if len(leases) < session.max_leases:
        return None
    lease = leases[0]
    if lease.begun or lease.resent >= MAX_RESENT:
        endings.fail_lease(
            lease=lease,
            end=LeaseEnd.ERRORED,
            reason="the machine asked for other work without a result",
            now=moment,
        )
        return None
    return lease
