"""Compares the rows of blobs with the bytes in the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sheepfold.server.core.errors import NotFound
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import measure, store


class Damage(StrEnum):
    """What can be wrong with a blob, in words for an operator."""

    MISSING = "its bytes are missing"
    CHANGED = "its bytes are not what they were"


@dataclass(frozen=True, slots=True)
class Finding:
    """A blob that a row promises and the store cannot give."""

    sha256: str
    damage: Damage


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """How many rows there are, and how many blobs that no row names (they go after a day)."""

    rows: int
    unnamed: int


def find_damage(*, read: bool) -> Iterator[Finding]:
    """Rows whose bytes are missing; with `read`, also those whose bytes have changed, which reads all of them."""
    stored = set(store().hashes())
    for blob in Blob.objects.order_by("pk").iterator():
        if blob.pk not in stored:
            yield Finding(blob.pk, Damage.MISSING)
        elif read and (damage := _read(blob)) is not None:
            yield Finding(blob.pk, damage)


def count_store() -> StoreCounts:
    """The farm's blobs in numbers."""
    named = set(Blob.objects.values_list("pk", flat=True))
    return StoreCounts(len(named), sum(sha256 not in named for sha256 in store().hashes()))


def _read(blob: Blob) -> Damage | None:
    try:
        with store().local(blob.pk) as path:
            found = measure(path, blob.media_type)
    except NotFound:
        return Damage.MISSING
    same = (found.sha256, found.md5, found.size) == (blob.pk, blob.md5, blob.size)
    return None if same else Damage.CHANGED
