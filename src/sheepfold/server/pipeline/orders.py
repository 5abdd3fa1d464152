"""Writes the job that a machine is sent: which scene, which renderer, which script, under which lease."""

from collections.abc import Iterable
from dataclasses import dataclass

from sheepfold.protocol.messages import Chunk, Job, RendererInfo
from sheepfold.server.core.statements import fetch, numbers
from sheepfold.server.dispatch.eligibility import Platform
from sheepfold.server.dispatch.queries import LeaseFacts
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.script import ScriptSettings, scene_script

COMMANDLINE = ".e --factory-startup --disable-autoexec -noaudio -b .c -o .o -f .f -x 1"
UPDATE_METHOD = "remainingtime"


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a project's jobs have in common."""

    id: int
    name: str
    blend_path: str
    archive_md5: str
    archive_password: str
    revision: int
    renderer_id: int
    output_format: str
    percentage: int
    samples: int | None


_SCENES = """
SELECT p.id, p.name, p.blend_path, b.md5, p.archive_password, p.revision, p.renderer_id, p.output_format, p.percentage,
    p.samples
FROM projects_project p JOIN core_blob b ON b.sha256 = p.archive_id
WHERE p.renderer_id IS NOT NULL AND p.id IN ({ids})
"""
_RENDERERS = """
SELECT a.renderer_id, a.os, a.bits, b.md5
FROM renderers_rendererarchive a JOIN core_blob b ON b.sha256 = a.blob_id WHERE a.renderer_id IN ({ids})
"""


class JobWriter:
    """Reads the projects of one group once, in two statements (ADR 13)."""

    def __init__(self, project_ids: Iterable[int]) -> None:
        wanted = set(project_ids)
        found = fetch(_SCENES.format(ids=numbers(wanted))) if wanted else []
        self._scenes = {row[0]: _Scene(*row) for row in found}
        renderers = {scene.renderer_id for scene in self._scenes.values()}
        archives = fetch(_RENDERERS.format(ids=numbers(renderers))) if renderers else []
        self._md5s = {(renderer_id, os, bits): md5 for renderer_id, os, bits, md5 in archives}
        self._scripts: dict[int, str] = {}

    def job(self, lease: LeaseFacts, platform: Platform, on_gpu: bool) -> Job:
        """The job of a lease. The edge adds what depends on the client."""
        scene = self._scenes.get(lease.project_id)
        if scene is None:
            raise RuntimeError(f"project {lease.project_id} was started without an archive or a renderer")
        return Job(
            id=scene.id,
            frame=lease.frame,
            path=scene.blend_path,
            archive_md5=scene.archive_md5,
            renderer=RendererInfo(self._md5s[(scene.renderer_id, *platform)], COMMANDLINE, UPDATE_METHOD),
            script=self._script(scene),
            extras=lease.token,
            use_gpu=on_gpu,
            revision=scene.revision,
            name=scene.name,
            password=scene.archive_password,
            chunks=(Chunk(scene.archive_md5, scene.archive_md5),),
        )

    def _script(self, scene: _Scene) -> str:
        if scene.id not in self._scripts:
            settings = ScriptSettings(OutputFormat(scene.output_format), scene.percentage, scene.samples)
            self._scripts[scene.id] = scene_script(settings)
        return self._scripts[scene.id]
