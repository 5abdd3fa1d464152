"""Uploads go on where they stopped, whatever stopped them."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sheepfold.server.core.clock import now
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import BadInput, Conflict, NotFound, TooManyAttempts
from sheepfold.server.core.storage import store
from sheepfold.server.projects import intake
from sheepfold.server.projects.intake import Upload

OWNER = 4711


@pytest.fixture(autouse=True)
def _no_uploads_left() -> Iterator[None]:
    yield
    shutil.rmtree(config().data_dir / "uploads", ignore_errors=True)


def announce(size: int = 10, name: str = "walk.blend") -> Upload:
    return intake.create_upload(owner_id=OWNER, project_id=1000, name=name, size=size)


def find(upload: Upload, owner_id: int = OWNER) -> Upload:
    return intake.find_upload(owner_id=owner_id, upload_id=upload.id, now=now())


def test_bytes_come_in_pieces_and_are_kept_as_one_blob() -> None:
    upload = announce(size=11)
    upload = intake.append(upload=upload, offset=0, chunks=[b"baa ", b"baa"])
    assert (upload.offset, upload.complete) == (7, False)
    upload = intake.append(upload=find(upload), offset=7, chunks=[b" woo"])
    assert upload.complete
    ref = intake.keep_upload(upload=upload)
    assert ref.sha256 == hashlib.sha256(b"baa baa woo").hexdigest()
    assert ref.media_type == "application/x-blender"
    assert store().read(ref.sha256) == b"baa baa woo"


def test_keeping_twice_is_possible_until_the_upload_is_closed() -> None:
    upload = intake.append(upload=announce(size=3), offset=0, chunks=[b"baa"])
    assert intake.keep_upload(upload=upload) == intake.keep_upload(upload=upload)


def test_a_closed_upload_still_says_that_it_is_complete_and_its_bytes_are_gone_from_here() -> None:
    upload = intake.append(upload=announce(size=3), offset=0, chunks=[b"baa"])
    intake.keep_upload(upload=upload)
    intake.close_upload(upload=upload)
    again = find(upload)
    assert (again.offset, again.done) == (3, True)
    assert sorted(path.name for path in (config().data_dir / "uploads").rglob("*") if path.is_file()) == [
        "announced.json",
        "done",
    ]
    with pytest.raises(Conflict, match="complete"):
        intake.append(upload=again, offset=3, chunks=[b"x"])


def test_a_broken_connection_keeps_what_came_before_it() -> None:
    def breaking() -> Iterator[bytes]:
        yield b"baa"
        raise ConnectionResetError

    upload = announce()
    with pytest.raises(ConnectionResetError):
        intake.append(upload=upload, offset=0, chunks=breaking())
    assert find(upload).offset == 3


def test_another_offset_than_where_the_upload_stands_is_a_conflict_and_changes_nothing() -> None:
    upload = intake.append(upload=announce(), offset=0, chunks=[b"baa"])
    for offset in (0, 2, 4):
        with pytest.raises(Conflict, match="stands at byte 3"):
            intake.append(upload=upload, offset=offset, chunks=[b"xxx"])
    assert find(upload).offset == 3


def test_more_bytes_than_announced_are_refused_and_the_upload_can_still_be_finished() -> None:
    upload = announce(size=4)
    with pytest.raises(intake.TooLarge):
        intake.append(upload=upload, offset=0, chunks=[b"baa", b"baa"])
    upload = intake.append(upload=find(upload), offset=3, chunks=[b"!"])
    assert upload.complete


def test_an_incomplete_upload_is_not_kept() -> None:
    upload = intake.append(upload=announce(), offset=0, chunks=[b"baa"])
    with pytest.raises(Conflict, match="7 bytes are still missing"):
        intake.keep_upload(upload=upload)


WRITER = """
import sys
import django; django.setup()
from sheepfold.server.core.clock import now
from sheepfold.server.projects import intake
upload = intake.find_upload(owner_id=int(sys.argv[1]), upload_id=sys.argv[2], now=now())
def chunks():
    yield b"baa"
    print("written", flush=True)
    input()
intake.append(upload=upload, offset=0, chunks=chunks())
"""


def test_one_connection_writes_at_a_time_and_a_killed_process_leaves_its_bytes_and_no_lock() -> None:
    upload = announce()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(OWNER), upload.id],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ,
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        with pytest.raises(intake.Busy):
            intake.append(upload=upload, offset=3, chunks=[b"x"])
        writer.kill()
    assert intake.append(upload=find(upload), offset=3, chunks=[b"baa"]).offset == 6


@pytest.mark.parametrize("name", ["walk.blend1", "walk.rar", "walk", "", "../", "blend"])
def test_only_scenes_and_zips_are_announced(name: str) -> None:
    with pytest.raises(BadInput, match=r"neither a \.blend nor a \.zip"):
        announce(name=name)
    assert not (config().data_dir / "uploads").exists()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/walk.blend", "walk.blend"),
        ("C:\\scenes\\walk.BLEND", "walk.BLEND"),
        (" sheep\x00\n\x1b[2J.zip ", "sheep[2J.zip"),
        ("a" * 300 + ".zip", "a" * 251 + ".zip"),
    ],
)
def test_the_name_is_bare(name: str, clean: str) -> None:
    assert announce(name=name).name == clean


def test_sizes_that_cannot_be_are_refused_and_leave_nothing() -> None:
    with pytest.raises(BadInput, match="empty"):
        announce(size=0)
    with pytest.raises(intake.TooLarge, match="8192 MiB at most"):
        announce(size=intake.max_size() + 1)
    assert not (config().data_dir / "uploads").exists()


def test_a_file_that_the_disk_cannot_hold_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SPARE", 1 << 60)
    with pytest.raises(intake.DiskFull):
        announce(size=1)


def test_a_user_has_only_so_many_unfinished_uploads() -> None:
    uploads = [announce() for _ in range(intake.MAX_OPEN)]
    with pytest.raises(TooManyAttempts):
        announce()
    intake.end_upload(upload=uploads[0])
    announce()


@pytest.mark.parametrize("upload_id", ["0" * 32, "..", "../4711", "A" * 32, ""])
def test_an_unknown_upload_is_not_found(upload_id: str) -> None:
    announce()
    with pytest.raises(NotFound):
        intake.find_upload(owner_id=OWNER, upload_id=upload_id, now=now())


def test_an_upload_of_somebody_else_is_not_found() -> None:
    upload = announce()
    with pytest.raises(NotFound):
        find(upload, owner_id=OWNER + 1)


def test_an_upload_with_which_nobody_goes_on_expires_with_its_bytes() -> None:
    abandoned = intake.append(upload=announce(), offset=0, chunks=[b"baa"])
    done = intake.append(upload=announce(size=3), offset=0, chunks=[b"baa"])
    intake.close_upload(upload=done)
    later = now() + intake.EXPIRY + timedelta(seconds=1)
    with pytest.raises(NotFound):
        intake.find_upload(owner_id=OWNER, upload_id=abandoned.id, now=later)
    assert intake.end_expired_uploads(now=now()) == []
    assert [upload.id for upload in intake.end_expired_uploads(now=later)] == [abandoned.id]
    assert [path for path in (config().data_dir / "uploads").rglob("*") if path.is_file()] == []


def test_a_file_in_one_request_is_kept_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ref = intake.keep_whole(name="walk.zip", chunks=[b"PK", b"baa"])
    assert (store().read(ref.sha256), ref.media_type) == (b"PKbaa", "application/zip")
    monkeypatch.setattr(intake, "max_size", lambda: 4)
    with pytest.raises(intake.TooLarge):
        intake.keep_whole(name="walk.zip", chunks=[b"PK", b"woo"])
    assert not store().exists(hashlib.sha256(b"PKwoo").hexdigest())
    assert list(config().tmp_dir.glob("tmp*")) == []
