"""Uploads that survive broken connections and restarts: the core of tus 1.0 as functions over files.

An upload is a folder `uploads/<owner>/<id>` in the data folder with what was announced (`announced.json`) and the bytes
that have come so far (`data`); the size of that file is the offset. Several web processes share the data folder.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PureWindowsPath

from sheepfold.server.core import durable
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import BadInput, Conflict, FarmError, NotFound, TooManyAttempts
from sheepfold.server.core.storage import BlobRef, store, temporary_path

EXPIRY = timedelta(days=3)  # after the last byte came
MAX_OPEN = 20  # unfinished uploads of one user
SPARE = 1 << 30  # bytes of disk that stay free for frames and the database
MIB = 1 << 20
SUFFIXES = (".blend", ".zip")
MEDIA_TYPES = {".blend": "application/x-blender", ".zip": "application/zip"}
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


class TooLarge(FarmError):
    """More bytes than the farm takes, or than were announced."""

    status = 413


class DiskFull(FarmError):
    """The farm has no room for this."""

    status = 507


class Busy(FarmError):
    """Another connection is writing to this upload."""

    status = 423


@dataclass(frozen=True, slots=True)
class Upload:
    """An announced upload. `size` and `offset` in bytes; `done`: its bytes are in the store."""

    id: str
    owner_id: int
    project_id: int
    name: str
    size: int
    offset: int
    expires_at: datetime
    done: bool = False

    @property
    def complete(self) -> bool:
        """Whether every byte has come."""
        return self.offset == self.size


@dataclass(frozen=True, slots=True)
class _Announced:
    project_id: int
    name: str
    size: int


def max_size() -> int:
    """The largest upload in bytes."""
    return config().upload_limit_mib * MIB


def clean_name(name: str) -> str:
    """The file's own name, without folders. Raises BadInput if it is neither a .blend nor a .zip."""
    bare = "".join(sign for sign in PureWindowsPath(name).name if sign.isprintable()).strip()[-255:]
    if not bare.lower().endswith(SUFFIXES):
        raise BadInput(
            f"{bare or 'the file'} is neither a .blend nor a .zip; save the scene, or pack its folder as a .zip"
        )
    return bare


def create_upload(*, owner_id: int, project_id: int, name: str, size: int) -> Upload:
    """Announce an upload. Raises BadInput, TooLarge, DiskFull or TooManyAttempts."""
    announced = _Announced(project_id, clean_name(name), size)
    check_room(size=size)
    if sum(not (one / "done").exists() for one in _folders(str(owner_id))) >= MAX_OPEN:
        raise TooManyAttempts(f"{MAX_OPEN} uploads are unfinished; finish or stop one of them first")
    folder = _root() / str(owner_id) / secrets.token_hex(16)
    durable.make_folder(folder)
    _write(folder / "data", b"")
    _write(folder / "announced.json", json.dumps(asdict(announced)).encode())
    return _load(folder)


def check_room(*, size: int) -> None:
    """Raise BadInput for an empty file, TooLarge or DiskFull for one that the farm cannot take."""
    if size <= 0:
        raise BadInput("the file is empty; save the scene again and upload that")
    if size > max_size():
        raise TooLarge(f"the file has {size // MIB} MiB, this farm takes {config().upload_limit_mib} MiB at most")
    if shutil.disk_usage(config().data_dir).free < size + SPARE:
        raise DiskFull("the farm's disk is full; ask its operator to make room")


def find_upload(*, owner_id: int, upload_id: str, now: datetime) -> Upload:
    """The upload. NotFound if there is none, if it is another user's, or if it is too old."""
    folder = _root() / str(owner_id) / upload_id
    if not UPLOAD_ID.fullmatch(upload_id) or not (folder / "announced.json").is_file():
        raise _unknown()
    upload = _load(folder)
    if upload.expires_at <= now:
        raise _unknown()
    return upload


def append(*, upload: Upload, offset: int, chunks: Iterable[bytes]) -> Upload:
    """Add bytes at the offset; what came before a failure stays and counts. All is on disk when this returns.

    Raises Conflict if the offset is not where the upload stands, Busy, TooLarge beyond the announced size.
    """
    if upload.done:
        raise Conflict("the upload is complete")
    with _locked(_folder(upload) / "data") as file:
        start = os.fstat(file).st_size
        if start != offset:
            raise Conflict(f"the upload stands at byte {start}, not {offset}; go on from there")
        try:
            _write_chunks(file, chunks, room=upload.size - start)
        finally:
            os.fsync(file)
    return _load(_folder(upload))


def keep_upload(*, upload: Upload) -> BlobRef:
    """Put a complete upload into the store. It stays here, too, until `close_upload`: a crash loses nothing."""
    if not upload.complete:
        raise Conflict(f"{upload.size - upload.offset} bytes are still missing")
    with temporary_path() as twin:
        twin.unlink()
        os.link(_folder(upload) / "data", twin)
        return store().keep(twin, _media_type(upload.name))


def close_upload(*, upload: Upload) -> None:
    """Its project has the bytes. The upload is remembered as complete, for clients that missed the answer."""
    folder = _folder(upload)
    _write(folder / "done", b"")
    (folder / "data").unlink(missing_ok=True)


def end_upload(*, upload: Upload) -> None:
    """Forget an upload and its bytes."""
    shutil.rmtree(_folder(upload))


def end_expired_uploads(*, now: datetime) -> list[Upload]:
    """Forget what nobody went on with. Returns them, so that their projects can go as well."""
    expired = [upload for upload in map(_load, _folders("*")) if upload.expires_at <= now]
    for upload in expired:
        end_upload(upload=upload)
    return [upload for upload in expired if not upload.done]


def keep_whole(*, name: str, chunks: Iterable[bytes]) -> BlobRef:
    """Put a file that comes in one request into the store. Raises BadInput or TooLarge."""
    media_type = _media_type(clean_name(name))
    with temporary_path() as path:
        with path.open("wb", buffering=0) as file:
            _write_chunks(file.fileno(), chunks, room=max_size())
        check_room(size=path.stat().st_size)
        return store().keep(path, media_type)


def _root() -> Path:
    return config().data_dir / "uploads"


def _folder(upload: Upload) -> Path:
    return _root() / str(upload.owner_id) / upload.id


def _folders(owner: str) -> Iterator[Path]:
    """Folders of uploads; one without `announced.json` is being made or ended."""
    return (path.parent for path in _root().glob(f"{owner}/*/announced.json"))


def _load(folder: Path) -> Upload:
    announced = _Announced(**json.loads((folder / "announced.json").read_bytes()))
    done = (folder / "done").exists()
    state = (folder / ("done" if done else "data")).stat()
    return Upload(
        id=folder.name,
        owner_id=int(folder.parent.name),
        project_id=announced.project_id,
        name=announced.name,
        size=announced.size,
        offset=announced.size if done else state.st_size,
        expires_at=datetime.fromtimestamp(state.st_mtime, UTC) + EXPIRY,
        done=done,
    )


def _write(path: Path, data: bytes) -> None:
    """The whole file or none."""
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(data)
    durable.move(draft, path)


def _write_chunks(file: int, chunks: Iterable[bytes], room: int) -> None:
    for chunk in chunks:
        room -= len(chunk)
        if room < 0:
            raise TooLarge("more bytes came than were announced or than the farm takes; upload the file again")
        _write_all(file, chunk)


def _write_all(file: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull("the farm's disk is full; ask its operator to make room, then go on") from error
        raise


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file for one writer among all processes; the lock ends with the process that holds it."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError as error:
        raise _unknown() from error
    try:
        _lock(file)
        yield file
    finally:
        os.close(file)


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Busy("another connection is sending this file; wait until it ends") from error


def _media_type(name: str) -> str:
    return MEDIA_TYPES[Path(name).suffix.lower()]


def _unknown() -> NotFound:
    return NotFound("there is no such upload; start it again")
