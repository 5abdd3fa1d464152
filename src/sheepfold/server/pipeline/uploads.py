"""A machine sends a frame: look the lease up, judge the image, accept it or give the tile back.

`look_up` and `settle` are group handlers. Between them the edge decodes the image in a process of its own and keeps it
in the store, so that the bytes are safe before the transaction that counts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sheepfold.protocol.codes import UploadStatus
from sheepfold.protocol.generations import Generation
from sheepfold.protocol.messages import FrameUpload
from sheepfold.server.core.clock import now
from sheepfold.server.core.events import EventFact, publish_many
from sheepfold.server.dispatch.actions import accept_late, end_each
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.dispatch.queries import LeaseContext, LeaseFacts, contexts_of_tokens
from sheepfold.server.frames import actions as frames
from sheepfold.server.frames import states
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.actions import count_frames
from sheepfold.server.machines.models import SessionStatus
from sheepfold.server.pipeline import endings, verifying
from sheepfold.server.pipeline.finishing import finish_done_projects
from sheepfold.server.pipeline.trials import TRIAL_PROJECT, judge_trial, record_trials
from sheepfold.server.results import queries as results
from sheepfold.server.results.actions import Arrival, record_accepted, record_refused
from sheepfold.server.results.checks import NotAnImage, Oversized
from sheepfold.server.results.keeping import KeptImage
from sheepfold.server.results.models import Verdict
from sheepfold.server.results.points import believable_rendertime
from sheepfold.server.results.verdicts import Expectation, Judgement, judge

STATUS_OF = {
    Verdict.ACCEPTED: UploadStatus.OK,
    Verdict.LATE: UploadStatus.OK,  # the machine did its work; somebody else was faster
    Verdict.UNDECODABLE: UploadStatus.NOT_AN_IMAGE,
    Verdict.WRONG_SIZE: UploadStatus.WRONG_DIMENSION,
    Verdict.BLANK: UploadStatus.BROKEN_MACHINE,
}


@dataclass(frozen=True, slots=True)
class Awaited:
    """An upload that the farm may want: its lease, and what its project expects. Sizes in pixels."""

    lease: LeaseFacts
    arrival: Arrival
    generation: Generation
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Received:
    """An upload whose image was decoded, and kept if it is one."""

    awaited: Awaited
    image: KeptImage | NotAnImage | Oversized


@dataclass(frozen=True, slots=True)
class Known:
    """An upload that can be answered at once. `generation` is unknown where the lease is."""

    status: UploadStatus
    generation: Generation = Generation.UNKNOWN


Lookup = Awaited | Known


def look_up(uploads: Sequence[FrameUpload]) -> list[Lookup]:
    """What is known of each upload's lease. A token that was accepted before is answered 0 again; an upload whose
    tile somebody else has done meanwhile is counted here, before anybody decodes it."""
    contexts = contexts_of_tokens(upload.extras for upload in uploads)
    return [_look_up(upload, contexts.get(upload.extras)) for upload in uploads]


def _look_up(upload: FrameUpload, found: LeaseContext | None) -> Lookup:
    if not upload.extras:
        return Known(UploadStatus.MISSING_PARAMETER)
    if found is None:
        return Known(UploadStatus.SESSION_DISABLED)
    status = _known_status(upload, found)
    if status is not None:
        return Known(status, found.generation)
    awaited = _awaited(upload, found)
    return Known(_count_late(awaited), awaited.generation) if _is_late(found) else awaited


def _known_status(upload: FrameUpload, found: LeaseContext) -> UploadStatus | None:
    if (upload.job, upload.frame) != (found.lease.project_id, found.lease.frame):
        return UploadStatus.MISSING_PARAMETER
    if found.lease.end == LeaseEnd.ACCEPTED:
        return UploadStatus.OK
    disabled = found.session_status == SessionStatus.DISABLED or found.lease.end == LeaseEnd.REVOKED
    return UploadStatus.SESSION_DISABLED if disabled else None


def _is_late(found: LeaseContext) -> bool:
    return found.lease.end != LeaseEnd.OPEN and found.tile_status == TileStatus.DONE


def _count_late(awaited: Awaited) -> UploadStatus:
    """The answer of the first time, if it came before."""
    return STATUS_OF[record_refused(arrival=awaited.arrival, verdict=Verdict.LATE, constant=False, now=now())]


def _awaited(upload: FrameUpload, found: LeaseContext) -> Awaited:
    lease = found.lease
    leased = ((found.ended_at or now()) - found.started_at).total_seconds()
    arrival = Arrival(
        tile_id=lease.tile_id,
        project_id=lease.project_id,
        lease_token=lease.token,
        machine_id=lease.machine_id,
        machine_user_id=found.machine_user_id,
        project_owner_id=found.owner_id,
        rendertime=believable_rendertime(upload.rendertime, leased),
        memory_kib=upload.memory_kib or 0,
    )
    return Awaited(lease, arrival, found.generation, found.width, found.height)


def settle(received: Sequence[Received]) -> list[UploadStatus]:
    """Accept or refuse. The tile, the lease, the result, the points and the events change together or not at all."""
    moment = now()
    judgements = [_judge(one) for one in received]
    good = [index for index, judgement in enumerate(judgements) if judgement.verdict == Verdict.ACCEPTED]
    verdicts = {index: judgement.verdict for index, judgement in enumerate(judgements)}
    again = {index: received[index] for index in good if received[index].awaited.lease.verification_id is not None}
    verdicts |= _accept({index: received[index] for index in good if index not in again}, moment)
    verdicts |= _verify(again, moment)
    for index, judgement in enumerate(judgements):
        if judgement.verdict != Verdict.ACCEPTED:
            _refuse(received[index], judgement, moment)
    return [STATUS_OF[verdicts[index]] for index in range(len(received))]


def _judge(one: Received) -> Judgement:
    image, arrival = one.image, one.awaited.arrival
    width, height = one.awaited.width, one.awaited.height
    if not isinstance(image, KeptImage):
        return judge(image, Expectation(width, height, others_have_content=False, agreed_constant=False))
    doubtful = image.facts.constant and one.awaited.lease.verification_id is None  # else it will be compared
    expected = Expectation(
        width=width,
        height=height,
        others_have_content=doubtful and results.others_have_content(arrival.project_id, arrival.machine_id),
        agreed_constant=doubtful and results.another_sent_one_colour(arrival.tile_id, arrival.machine_id),
    )
    judgement = judge(image.facts, expected)
    if arrival.project_id == TRIAL_PROJECT and judgement.verdict == Verdict.ACCEPTED:
        return judge_trial(image.facts.thumbnail)
    return judgement


def _accept(candidates: dict[int, Received], moment: datetime) -> dict[int, Verdict]:
    won = _win_tiles(candidates, moment)
    pairs = [(candidates[index].awaited.arrival, candidates[index].image) for index in won]
    record_accepted(accepted=[(arrival, image) for arrival, image in pairs if isinstance(image, KeptImage)], now=moment)
    leases = [candidates[index].awaited.lease for index in won]
    count_frames(session_ids=[lease.session_id for lease in leases])
    publish_many(
        facts=[EventFact(f"project:{lease.project_id}", "frame", str(lease.frame)) for lease in leases], now=moment
    )
    for index in won:
        _clear_doubt(candidates[index])
    record_trials(accepted=[(one.lease, one.arrival.rendertime) for index in won if (one := candidates[index].awaited)])
    finish_done_projects(project_ids={lease.project_id for lease in leases}, now=moment)
    late = {index: _late(candidates[index], moment) for index in candidates if index not in won}
    return dict.fromkeys(won, Verdict.ACCEPTED) | late


def _verify(again: dict[int, Received], moment: datetime) -> dict[int, Verdict]:
    """Pictures of finished tiles, for comparison. Those of leases that had ended are late."""
    ended = end_each(lease_ids=[one.awaited.lease.id for one in again.values()], end=LeaseEnd.ACCEPTED, now=moment)
    verdicts = {}
    for index, one in again.items():
        lease = one.awaited.lease
        if lease.id in ended and isinstance(one.image, KeptImage) and lease.verification_id is not None:
            ended.discard(lease.id)  # the same picture may have come twice at once
            verifying.receive(
                arrival=one.awaited.arrival, kept=one.image, verification_id=lease.verification_id, now=moment
            )
            count_frames(session_ids=[lease.session_id])
            verdicts[index] = Verdict.ACCEPTED
        else:
            verdicts[index] = _late(one, moment)
    return verdicts


def _win_tiles(candidates: dict[int, Received], moment: datetime) -> list[int]:
    """The candidates that make their tile done: first those with an open lease, then late ones whose tile waits."""
    by_lease: dict[int, int] = {}
    for index, one in candidates.items():
        by_lease.setdefault(one.awaited.lease.id, index)
    ended = end_each(lease_ids=list(by_lease), end=LeaseEnd.ACCEPTED, now=moment)
    in_time = {candidates[by_lease[lease_id]].awaited.lease.tile_id: by_lease[lease_id] for lease_id in ended}
    done = states.move_each(list(in_time), came_from=TileStatus.RENDERING, to=TileStatus.DONE, now=moment)
    won = [in_time[tile_id] for tile_id in done]
    won += [
        index for lease_id, index in by_lease.items() if lease_id not in ended and _rescue(candidates[index], moment)
    ]
    return sorted(won)


def _rescue(one: Received, moment: datetime) -> bool:
    """A result of a lease that ended before: taken if the tile still waits."""
    lease = one.awaited.lease
    if states.move([lease.tile_id], came_from=TileStatus.WAITING, to=TileStatus.DONE, now=moment) != 1:
        return False
    if accept_late(lease_id=lease.id):
        return True
    states.move([lease.tile_id], came_from=TileStatus.DONE, to=TileStatus.WAITING, now=moment)
    return False


def _late(one: Received, moment: datetime) -> Verdict:
    record_refused(arrival=one.awaited.arrival, verdict=Verdict.LATE, constant=False, now=moment)
    return Verdict.LATE


def _clear_doubt(one: Received) -> None:
    """Two machines agree on a frame of one colour: the first one was right."""
    image = one.image
    if isinstance(image, KeptImage) and image.facts.constant:
        frames.forget_failures(tile_id=one.awaited.lease.tile_id)


def _refuse(one: Received, judgement: Judgement, moment: datetime) -> None:
    constant = isinstance(one.image, KeptImage) and one.image.facts.constant
    record_refused(arrival=one.awaited.arrival, verdict=judgement.verdict, constant=constant, now=moment)
    endings.fail_lease(lease=one.awaited.lease, end=LeaseEnd.REJECTED, reason=judgement.reason, now=moment)


def give_up(leases: Sequence[LeaseFacts]) -> list[None]:
    """The farm could not take an upload (disk full, store down): the client forgets the frame, so it waits again."""
    for lease in leases:
        endings.free_leases(where=Q(id=lease.id), now=now(), end=LeaseEnd.CANCELLED)
    return [None] * len(leases)
