"""Writes that every stage needs."""

from collections.abc import Iterable

from sheepfold.server.core.bulk import insert_missing_rows
from sheepfold.server.core.clock import now
from sheepfold.server.core.models import AuditEntry, Blob
from sheepfold.server.core.storage import BlobRef


def record_blob(*, ref: BlobRef) -> Blob:
    """The row of stored bytes, made unless it is there; the first media type stays."""
    return record_blobs(refs=[ref])[0]


def record_blobs(*, refs: Iterable[BlobRef]) -> list[Blob]:
    """The rows of many, in one statement."""
    blobs = {ref.sha256: Blob(sha256=ref.sha256, md5=ref.md5, size=ref.size, media_type=ref.media_type) for ref in refs}
    moment = now()
    rows = [(blob.sha256, blob.md5, blob.size, blob.media_type, moment) for blob in blobs.values()]
    insert_missing_rows(Blob, ("sha256", "md5", "size", "media_type", "created_at"), rows)
    return list(blobs.values())


def record_audit(*, actor_id: int | None, action: str, subject: str, detail: str = "") -> None:
    """Note who did what to what, in the transaction that does it."""
    AuditEntry.objects.create(actor_id=actor_id, action=action, subject=subject, detail=detail)
