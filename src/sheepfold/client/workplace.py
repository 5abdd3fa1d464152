"""The folders in which a device renders, and the task for a job in them.

`work/<device>/<scene>/<frame>`: all frames of one scene, renderer and script share a folder, because one Blender
renders them; each frame has its own inside it.
"""

import hashlib
import uuid
from pathlib import Path

from sheepfold.client.config import Settings
from sheepfold.client.supply import ReadyJob
from sheepfold.client.task import Device, DeviceKind, RenderLimits, RenderTask
from sheepfold.client.unpack import remove_folder
from sheepfold.protocol.messages import Job


class Workplace:
    """The folder of one device. What an earlier run left there is of no use."""

    def __init__(self, device: Device, settings: Settings) -> None:
        self._device, self._settings = device, settings
        self._folder = settings.cache_dir / "work" / _short(device.id)
        self._home: Path | None = None

    def task(self, ready: ReadyJob, priority: int | None) -> RenderTask:
        """The task for a job, with its folders made. Raises OSError. `priority` counts before the settings'."""
        job = ready.lease.job
        home = self._folder / _short(_scene_key(job))
        task = RenderTask(
            job=job.id,
            frame=job.frame,
            renderer_dir=ready.renderer_dir,
            scene_dir=ready.scene_dir,
            scene=job.path,
            home=home,
            work_dir=home / uuid.uuid4().hex[:12],
            commandline=job.renderer.commandline,
            script=job.script,
            device=self._device if job.use_gpu or self._device.kind is DeviceKind.CPU else Device(),
            limits=self._limits(priority),
        )
        task.work_dir.mkdir(parents=True)
        return task

    def keep_only(self, task: RenderTask) -> None:
        """Remove the folders of scenes before: at most one Blender is alive for a device."""
        if self._home != task.home:
            self._home = task.home
            for home in self._folder.iterdir():
                if home != task.home:
                    remove_folder(home)

    def remove(self) -> None:
        """Remove everything."""
        remove_folder(self._folder)

    def _limits(self, priority: int | None) -> RenderLimits:
        settings = self._settings
        return RenderLimits(
            cores=settings.cores,
            memory_kib=settings.memory // 1024 if settings.memory else None,
            seconds=settings.frame_time,
            silent_seconds=settings.silent_time,
            priority=settings.priority if priority is None else priority,
        )


def _scene_key(job: Job) -> str:
    """Frames with the same key may come from the same Blender."""
    renderer = job.renderer
    return " ".join((job.archive_md5, renderer.md5, job.path, renderer.commandline, job.script))


def _short(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:12]
