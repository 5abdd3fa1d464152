"""From a rendered picture to the outbox: what a device does between two frames. The disk works beside the next one."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sheepfold.client.config import Settings
from sheepfold.client.events import FrameRendered, Listener
from sheepfold.client.leases import Lease, OpenLeases
from sheepfold.client.outbox import Entry, Outbox
from sheepfold.client.supply import Supply
from sheepfold.client.task import Device, Rendered
from sheepfold.client.unpack import remove_folder
from sheepfold.protocol.codes import ErrorKind
from sheepfold.protocol.messages import FrameUpload


class Handover:
    """One device's way into the outbox."""

    def __init__(
        self,
        settings: Settings,
        device: Device,
        outbox: Outbox,
        leases: OpenLeases,
        supply: Supply,
        listener: Listener,
    ) -> None:
        self._settings, self._device, self._outbox, self._leases = settings, device, outbox, leases
        self._supply, self._listener = supply, listener
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._syncing: Future[None] | None = None

    def close(self) -> None:
        """Return when the disk is done."""
        self._beside.shutdown()

    def put(self, lease: Lease, outcome: Rendered) -> Entry | None:
        """Move the picture in and end the lease; None when the disk has no room, which the farm was told."""
        try:
            entry = self._add(lease, outcome)
        except OSError as error:
            self._supply.give_up(lease, ErrorKind.NO_DISK_SPACE, _not_kept(error))
            return None
        self._make_safe(lease, entry)
        self._leases.remove(lease)
        self._supply.release(lease)
        what = (self._device.name, lease.job.id, lease.job.frame)
        self._listener(FrameRendered(*what, outcome.seconds, outcome.peak_kib, outcome.living, str(entry.image)))
        return entry

    def clear(self, work_dir: Path) -> None:
        """Remove the folder of a frame."""
        self._beside.submit(remove_folder, work_dir)

    def _add(self, lease: Lease, outcome: Rendered) -> Entry:
        job = lease.job
        upload = FrameUpload(
            job=job.id,
            frame=job.frame,
            extras=job.extras,
            rendertime=round(outcome.seconds, 3),
            revision=job.revision,
            memory_kib=outcome.peak_kib,
            cores=self._settings.cores,
        )
        return self._outbox.add(self._settings.server, outcome.image, upload, job.validation_url, self._device.id)

    def _make_safe(self, lease: Lease, entry: Entry) -> None:
        """Begin to sync a frame when the one before is done, so that a power cut takes one frame at most."""
        if self._syncing is not None:
            self._syncing.result()
        self._syncing = self._beside.submit(self._sync, lease, entry)

    def _sync(self, lease: Lease, entry: Entry) -> None:
        try:
            self._outbox.make_safe(entry)
        except OSError as error:
            self._supply.report(lease, ErrorKind.NO_DISK_SPACE, _not_kept(error))


def _not_kept(error: OSError) -> str:
    return f"the picture cannot be kept: {error}"
