"""A machine reports an error. `record_reports` is a group handler; the log is in the store before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sheepfold.protocol.codes import ErrorKind
from sheepfold.protocol.messages import ErrorReport
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.dispatch.models import LeaseEnd
from sheepfold.server.dispatch.queries import LeaseFacts, find_by_tokens, open_by_session
from sheepfold.server.machines.actions import block_project
from sheepfold.server.machines.queries import SessionFacts, sessions_of_tokens
from sheepfold.server.pipeline.endings import fail_lease, free_leases
from sheepfold.server.results.actions import ReportFacts, record_error

# The tile is given back and nobody is blamed: it was stopped, or the way to the farm failed.
BLAMELESS = frozenset(
    {
        ErrorKind.OK,
        ErrorKind.SESSION_DISABLED,
        ErrorKind.DOWNLOAD_FAILED,
        ErrorKind.NETWORK,
        ErrorKind.KILLED,
        ErrorKind.BLOCKED_BY_USER,
        ErrorKind.KILLED_BY_SERVER,
        ErrorKind.VALIDATION_FAILED,
        ErrorKind.NO_DISK_SPACE,
        ErrorKind.BAD_UPLOAD_RESPONSE,
        ErrorKind.SERVER_DOWN,
        ErrorKind.BAD_SERVER_RESPONSE,
    }
)
# This machine can never render the project.
HOPELESS = {
    ErrorKind.BLOCKED_BY_USER: "its user blocked the project",
    ErrorKind.ENGINE_UNAVAILABLE: "the render engine is not available on this machine",
    ErrorKind.DENOISING_UNSUPPORTED: "this machine cannot denoise",
    ErrorKind.GPU_UNSUPPORTED: "this machine's GPU is not supported",
    ErrorKind.MISSING_LIBRARIES: "this machine lacks libraries that the renderer needs",
}


@dataclass(frozen=True, slots=True)
class Report:
    """An error report, the hash of its session's cookie if it sent one, and its log."""

    token_hash: str | None
    message: ErrorReport
    log: BlobRef | None


def record_reports(reports: Sequence[Report]) -> list[None]:
    """Keep every report whose machine is known. A report never undoes an accepted frame."""
    moment = now()
    sessions = sessions_of_tokens([report.token_hash for report in reports if report.token_hash])
    by_token = find_by_tokens([report.message.extras for report in reports if report.message.extras])
    held = open_by_session([session.id for session in sessions.values()])
    for report in reports:
        session = sessions.get(report.token_hash or "")
        lease = by_token.get(report.message.extras or "") or _held_lease(session, report.message, held)
        _record(report, session, lease, moment)
    return [None] * len(reports)


def _held_lease(
    session: SessionFacts | None, message: ErrorReport, held: dict[int, list[LeaseFacts]]
) -> LeaseFacts | None:
    leases = held.get(session.id, []) if session and message.job else []
    return next((one for one in leases if (one.project_id, one.frame) == (message.job, message.frame)), None)


def _record(report: Report, session: SessionFacts | None, lease: LeaseFacts | None, moment: datetime) -> None:
    machine_id = lease.machine_id if lease else session.machine_id if session else None
    if machine_id is None:
        return  # nobody that the farm knows
    message = report.message
    facts = ReportFacts(
        machine_id=machine_id,
        kind=int(message.kind),
        tile_id=lease.tile_id if lease else None,
        project_id=lease.project_id if lease else None,
        rendertime=message.rendertime or 0,
        memory_kib=message.memory_kib or 0,
    )
    record_error(report=facts, log=report.log, now=moment)
    if lease is not None and lease.end == LeaseEnd.OPEN:
        _end_lease(lease, message.kind, moment)


def _end_lease(lease: LeaseFacts, kind: ErrorKind | int, moment: datetime) -> None:
    reason = HOPELESS.get(ErrorKind(kind)) if kind in set(ErrorKind) else None
    if reason is not None:
        block_project(machine_id=lease.machine_id, project_id=lease.project_id, reason=reason)
    if kind in BLAMELESS:
        free_leases(where=Q(id=lease.id), now=moment, end=LeaseEnd.ERRORED)
    else:
        fail_lease(lease=lease, end=LeaseEnd.ERRORED, reason=describe(kind), now=moment)


def describe(kind: ErrorKind | int) -> str:
    """The kind of error in words."""
    name = ErrorKind(kind).name.lower().replace("_", " ") if kind in set(ErrorKind) else "unknown error"
    return f"{name} ({int(kind)})" if kind >= 0 else name
