"""Bytes go when nothing refers to them, and never before."""

import os
from datetime import timedelta

import pytest
from django.db import transaction

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.garbage import GRACE, forget_temporary_files, forget_unused_blobs
from sheepfold.server.core.models import Blob
from sheepfold.server.core.storage import BlobRef, store
from tests.server.farm import make_project

LATER = GRACE + timedelta(minutes=1)


def keep(text: str, *, row: bool = True) -> BlobRef:
    ref = store().keep_bytes(text.encode(), "text/plain")
    if row:
        record_blob(ref=ref)
    return ref


@pytest.mark.django_db
def test_recording_a_blob_twice_keeps_its_first_row() -> None:
    ref = keep("twice")
    with transaction.atomic():
        record_blob(ref=BlobRef(ref.sha256, ref.md5, ref.size, "image/png"))
    assert list(Blob.objects.filter(pk=ref.sha256).values_list("media_type", "size")) == [("text/plain", 5)]


@pytest.mark.django_db
def test_only_old_blobs_without_any_reference_go() -> None:
    unused, rowless, used = keep("unused"), keep("rowless", row=False), keep("used")
    make_project(tiles=0, archive_id=used.sha256, archive=Blob.objects.get(pk=used.sha256))
    forget_unused_blobs(now=now())
    assert all(store().exists(ref.sha256) for ref in (unused, rowless, used))
    forget_unused_blobs(now=now() + LATER)
    assert [store().exists(ref.sha256) for ref in (unused, rowless, used)] == [False, False, True]
    assert [Blob.objects.filter(pk=ref.sha256).exists() for ref in (unused, used)] == [False, True]


@pytest.mark.django_db
def test_a_blob_kept_again_lately_stays_though_its_row_is_old() -> None:
    ref = keep("again")
    yesterday = (now() - LATER).timestamp()
    path = store().path(ref.sha256)
    assert path is not None
    os.utime(path, (yesterday, yesterday))
    Blob.objects.filter(pk=ref.sha256).update(created_at=now() - LATER)
    keep("again", row=False)
    forget_unused_blobs(now=now())
    assert store().exists(ref.sha256)


def test_old_temporary_files_and_folders_go_and_fresh_ones_stay() -> None:
    old, folder, fresh = (config().tmp_dir / name for name in ("old", "folder", "fresh"))
    folder.mkdir()
    (folder / "inside").touch()
    old.touch()
    fresh.touch()
    yesterday = (now() - LATER).timestamp()
    for path in (old, folder):
        os.utime(path, (yesterday, yesterday))
    forget_temporary_files(now=now())
    assert [path.exists() for path in (old, folder, fresh)] == [False, False, True]
    fresh.unlink()
