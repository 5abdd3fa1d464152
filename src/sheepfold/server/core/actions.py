"""Writes that every stage needs."""

from collections.abc import Iterable

from sheepfold.server.core.models import AuditEntry, Blob
from sheepfold.server.core.storage import BlobRef


def record_blob(*, ref: BlobRef) -> Blob:
    """The row of stored bytes, made unless it is there; the first media type stays."""
    return record_blobs(refs=[ref])[0]


def record_blobs(*, refs: Iterable[BlobRef]) -> list[Blob]:
    """The rows of many, in one statement."""
    blobs = {ref.sha256: Blob(sha256=ref.sha256, md5=ref.md5, size=ref.size, media_type=ref.media_type) for ref in refs}
    return Blob.objects.bulk_create(blobs.values(), ignore_conflicts=True)


def record_audit(*, actor_id: int | None, action: str, subject: str, detail: str = "") -> None:
    """Note who did what to what, in the transaction that does it."""
    AuditEntry.objects.create(actor_id=actor_id, action=action, subject=subject, detail=detail)
