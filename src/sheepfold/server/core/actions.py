"""Writes that every stage needs."""

from collections.abc import Iterable

from sheepfold.server.core.bulk import insert_missing_rows
from sheepfold.server.core.clock import now
from sheepfold.server.core.models import AuditEntry, Blob
from sheepfold.server.core.storage import BlobRef


def record_blob(*, ref: BlobRef) -> Blob:
    """The row of stored bytes, made unless it is there; the first media type stays."""
    record_blobs(refs=[ref])
    return Blob(sha256=ref.sha256, md5=ref.md5, size=ref.size, media_type=ref.media_type)


def record_blobs(*, refs: Iterable[BlobRef]) -> None:
    """The rows of many, in one statement."""
    moment = now()
    rows = {ref.sha256: (ref.sha256, ref.md5, ref.size, ref.media_type, moment) for ref in refs}
    insert_missing_rows(Blob, ("sha256", "md5", "size", "media_type", "created_at"), list(rows.values()))


def record_audit(*, actor_id: int | None, action: str, subject: str, detail: str = "") -> None:
    """Note who did what to what, in the transaction that does it."""
    AuditEntry.objects.create(actor_id=actor_id, action=action, subject=subject, detail=detail)
