"""Finished frames on disk, until the farm has them. Survives a crash, a restart and days without a network.

Each frame is a folder that appears by one rename: the picture, and `frame.json` with the words that go along.
A folder has one client (`instance.py`), so what lies there is read from the disk only at the start.
"""

import json
import os
import shutil
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from sheepfold.client.unpack import remove_folder
from sheepfold.protocol.messages import FrameUpload

_FACTS = "frame.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame that waits. `server`: the only farm that it is for. `owner`: the device that made it.

    `finished` is Unix time."""

    id: str
    server: str
    owner: str
    image: Path
    upload: FrameUpload
    validation_url: str
    finished: float


class Outbox:
    """The folder of waiting frames."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._changed = threading.Condition()
        for half_written in folder.glob("*.partial"):
            remove_folder(half_written)
        found = (_read(path) for path in folder.iterdir())
        self._entries = {entry.id: entry for entry in found if entry is not None}

    def add(self, server: str, image: Path, upload: FrameUpload, validation_url: str = "", owner: str = "") -> Entry:
        """Move a picture in; it may be handed over from now on. Raises OSError when the disk refuses.

        A crash of this client cannot lose it, a power cut can until `make_safe` has returned: syncing takes as long as
        sending, a tenth of a frame of 40 ms.
        """
        entry_id = uuid.uuid4().hex
        partial = self._folder / f"{entry_id}.partial"
        partial.mkdir()
        entry = Entry(
            entry_id, server, owner, self._folder / entry_id / image.name, upload, validation_url, time.time()
        )
        try:
            shutil.move(image, partial / image.name)
            (partial / _FACTS).write_text(_to_json(entry, (partial / image.name).stat().st_size), encoding="utf-8")
            partial.rename(self._folder / entry_id)
        finally:
            remove_folder(partial)
        with self._changed:
            self._entries[entry_id] = entry
            self._changed.notify_all()
        return entry

    def make_safe(self, entry: Entry) -> None:
        """Sync a frame to the disk. Raises OSError when the disk refuses; then the outbox does not have it."""
        try:
            for path in (entry.image, entry.image.parent / _FACTS, self._folder):
                _sync(path)
        except FileNotFoundError:  # the farm has it already
            return
        except OSError:
            self.remove(entry)
            raise

    def entries(self, server: str) -> list[Entry]:
        """Waiting frames of one farm, the oldest first. Damaged folders and strange ones are left out."""
        with self._changed:
            mine = [entry for entry in self._entries.values() if entry.server == server]
        return sorted((entry for entry in mine if entry.image.is_file()), key=lambda entry: entry.finished)

    def remove(self, entry: Entry) -> None:
        """The farm has it, or will never want it."""
        remove_folder(self._folder / entry.id)
        with self._changed:
            self._entries.pop(entry.id, None)
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleep until something is added or removed, or the time is over."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        """End all waits."""
        with self._changed:
            self._changed.notify_all()


def _to_json(entry: Entry, size: int) -> str:
    facts = {
        "server": entry.server,
        "owner": entry.owner,
        "image": entry.image.name,
        "size": size,
        "validation_url": entry.validation_url,
        "finished": entry.finished,
        "upload": asdict(entry.upload),
    }
    return json.dumps(facts)


def _read(folder: Path) -> Entry | None:
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        entry = Entry(
            id=folder.name,
            server=facts["server"],
            owner=facts["owner"],
            image=folder / Path(facts["image"]).name,
            upload=FrameUpload(**facts["upload"]),
            validation_url=facts["validation_url"],
            finished=float(facts["finished"]),
        )
        is_whole = entry.image.stat().st_size == facts["size"]  # a power cut may have come before it was synced
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if is_whole else None


def _sync(path: Path) -> None:
    """Make sure that it survives a power cut. Windows cannot sync folders."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
