"""Takes away what nothing refers to any more: rows of blobs, their bytes, and temporary files."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from django.db.models import Exists, OuterRef, QuerySet

from sheepfold.server.core.config import config
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import store

GRACE = timedelta(days=1)  # bytes are kept before the transaction that refers to them, a row before its reference
BATCH = 500


def forget_unused_blobs(*, now: datetime) -> int:
    """Delete blobs that no row of any kind has referred to for a day. Returns how many files went."""
    _unused(now - GRACE).delete()
    count = 0
    for batch in _batches(store().hashes(before=now - GRACE)):
        known = set(Blob.objects.filter(pk__in=batch).values_list("pk", flat=True))
        for sha256 in set(batch) - known:
            store().delete(sha256)
            count += 1
    return count


def forget_temporary_files(*, now: datetime) -> int:
    """Delete what a killed process left in the temporary folder a day ago. Returns how many entries went."""
    old = [path for path in config().tmp_dir.iterdir() if _changed_at(path) < now - GRACE]
    for path in old:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


def _unused(before: datetime) -> QuerySet[Blob]:
    """Every foreign key to Blob is asked, also those of models that are added later."""
    rows = Blob.objects.filter(created_at__lt=before)
    for relation in Blob._meta.get_fields(include_hidden=True):
        if relation.auto_created and relation.one_to_many:
            model, column = relation.related_model, relation.field.name  # type: ignore[union-attr]
            rows = rows.exclude(Exists(model._default_manager.filter(**{column: OuterRef("pk")})))  # type: ignore[union-attr]
    return rows


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _changed_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
