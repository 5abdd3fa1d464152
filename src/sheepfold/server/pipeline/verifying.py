"""Machines render frames again, and what they send is compared (ADR 15). To them it is a job like any other."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import structlog
from django.db import transaction
from prometheus_client import Counter

from sheepfold.server.accounts.actions import farm_account
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import Verify, config
from sheepfold.server.core.errors import NotFound
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.actions import grant_verifier
from sheepfold.server.dispatch.claims import Claim, Grant
from sheepfold.server.dispatch.eligibility import ON_PROCESSOR, OpenProject, device_family, obstacle, renders_on_gpu
from sheepfold.server.dispatch.picture import projects_to_verify
from sheepfold.server.frames.states import TakenTile
from sheepfold.server.pipeline.convictions import convict
from sheepfold.server.pipeline.enqueue import Job, enqueue_on_commit
from sheepfold.server.results import actions as results
from sheepfold.server.results.actions import Arrival
from sheepfold.server.results.decoders import Comparer, Incomparable
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.queries import Ballot, VoteFact, WaitingVerification, ballot, waiting_verifications
from sheepfold.server.results.trust import Agreed, Open, Picture, decide, join

log = structlog.get_logger()

LOOK_SECONDS = 1.0  # between two looks at what waits
MOST_WAITING = 64  # looked at by each request for work; those that no machine can do must not hide the others

SETTLED = Counter("sheepfold_verifications", "Frames that were rendered again to verify them.", ["outcome"])
DIFFERENT = Counter("sheepfold_verification_mismatches", "Pictures for comparison that looked like no other one.")


@dataclass(slots=True)
class VerificationBook:
    """What one process knows of the frames that wait to be rendered again; never the truth itself."""

    _waiting: list[WaitingVerification] = field(default_factory=list)
    _projects: dict[int, OpenProject] = field(default_factory=dict)
    _after: int = 0  # the last one that was looked at
    _at: float = -1e9

    def look(self) -> None:
        """Read it anew if it is older than a second: one statement as long as nothing waits."""
        if config().verify is Verify.OFF or time.monotonic() - self._at < LOOK_SECONDS:
            return
        self._waiting, self._at = waiting_verifications(after=self._after, most=MOST_WAITING), time.monotonic()
        self._after = self._waiting[-1].id if len(self._waiting) == MOST_WAITING else 0
        ids = {one.project_id for one in self._waiting}
        self._projects = projects_to_verify(ids) if ids else {}

    def take(self, one: Claim) -> tuple[WaitingVerification, OpenProject] | None:
        """Something that this machine can render again; nobody else of this process is offered it."""
        for index, waiting in enumerate(self._waiting):
            project = self._projects.get(waiting.project_id)
            if project is not None and _fits(one, waiting, project):
                del self._waiting[index]
                return waiting, project
        return None


def _fits(one: Claim, waiting: WaitingVerification, project: OpenProject) -> bool:
    session = one.session
    if session.machine_id in waiting.machines:
        return False
    if config().verify is not Verify.ON and session.user_id in waiting.owners:
        return False
    family = device_family(on_gpu=renders_on_gpu(one.offer, project), gpu_name=one.offer.gpu_name)
    return family == waiting.family and obstacle(session, one.offer, project) is None


def give_verifications(claims: Mapping[int, Claim], book: VerificationBook, *, now: datetime) -> dict[int, Grant]:
    """The answers to those requests whose machines shall render a frame again."""
    book.look()
    found = {index: taken for index, one in claims.items() if (taken := book.take(one)) is not None}
    grants = {index: _give(claims[index], *taken, now) for index, taken in found.items()}
    return {index: one for index, one in grants.items() if one is not None}


def _give(one: Claim, waiting: WaitingVerification, project: OpenProject, now: datetime) -> Grant | None:
    if not results.take_verification(verification_id=waiting.id):
        return None
    tile = TakenTile(waiting.tile_id, waiting.project_id, waiting.frame)
    lease = grant_verifier(session=one.session, tile=tile, verification_id=waiting.id, now=now)
    return Grant(lease, on_gpu=renders_on_gpu(one.offer, project))


def receive(*, arrival: Arrival, kept: KeptImage, verification_id: int, now: datetime) -> None:
    """A picture for comparison. The farm pays for it, since it is the farm that wants to know."""
    recorded = results.record_verifying(
        arrival=arrival, kept=kept, verification_id=verification_id, payer_id=farm_account().pk, now=now
    )
    if recorded:
        enqueue_on_commit(Job.VERIFY, verification_id)


def verify(verification_id: int) -> None:
    """Compare the newest picture with the others and draw the conclusion. May run twice: the row has moved on."""
    found = ballot(verification_id)
    if found is None:
        return
    try:
        alike = _alike(found)
    except (NotFound, Incomparable) as error:
        log.info("frame cannot be verified", verification=verification_id, reason=str(error))
        results.drop_verifications(verification_ids=[verification_id], now=now())
        return
    with transaction.atomic():
        _conclude(found, alike, now())


@lru_cache(maxsize=1)
def _comparer() -> Comparer:
    return Comparer()


def _alike(found: Ballot) -> frozenset[int]:
    """The votes whose pictures look like the newest one."""
    *others, new = found.votes
    on_gpus = found.family != ON_PROCESSOR
    with _picture_of(new) as path:
        return frozenset(vote.id for vote in others if _is_alike(vote, path, on_gpus=on_gpus))


def _picture_of(vote: VoteFact) -> AbstractContextManager[Path]:
    if vote.blob_sha is None:
        raise NotFound("the store has lost a picture")
    return store().local(vote.blob_sha)


def _is_alike(vote: VoteFact, new: Path, *, on_gpus: bool) -> bool:
    with _picture_of(vote) as path:
        return _comparer().compare(path, new).is_honest(on_gpus=on_gpus)


def _conclude(seen: Ballot, alike: frozenset[int], now: datetime) -> None:
    """In one transaction, if there are still the pictures that were compared."""
    found = ballot(seen.id, lock=True)
    if found is None:
        return
    if [vote.id for vote in found.votes] != [vote.id for vote in seen.votes]:
        enqueue_on_commit(Job.VERIFY, seen.id)
        return
    *others, new = [_picture(vote) for vote in found.votes]
    pictures = join(others, new, alike)
    results.record_camps(camps={one.id: one.camp for one in pictures if one.camp is not None})
    if not alike:
        DIFFERENT.inc()
    decision = decide(pictures)
    if decision is Open.DOUBTFUL:
        results.ask_another(verification_id=seen.id)
        return
    right = [one.id for one in decision.right] if isinstance(decision, Agreed) else []
    results.settle_verification(verification_id=seen.id, agreed=right, now=now)
    SETTLED.labels("agreed" if right else "undecided").inc()
    if isinstance(decision, Agreed):
        for wrong in decision.wrong:
            convict(machine_id=wrong.machine_id, result_id=_result(seen, wrong), ballot=seen, now=now)


def _picture(vote: VoteFact) -> Picture:
    return Picture(vote.id, vote.machine_id, vote.agreed, vote.camp or vote.id)


def _result(seen: Ballot, wrong: Picture) -> int:
    return next(vote.result_id for vote in seen.votes if vote.id == wrong.id)
