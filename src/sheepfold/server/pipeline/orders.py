"""Writes the job that a machine is sent: which scene, which renderer, which script, under which lease."""

from collections.abc import Collection

from sheepfold.protocol.messages import Chunk, Job, RendererInfo
from sheepfold.server.dispatch.eligibility import Platform
from sheepfold.server.dispatch.queries import LeaseFacts
from sheepfold.server.projects.formats import OutputFormat
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.script import ScriptSettings, scene_script
from sheepfold.server.renderers.models import RendererArchive

COMMANDLINE = ".e --factory-startup --disable-autoexec -noaudio -b .c -o .o -f .f -x 1"
UPDATE_METHOD = "remainingtime"


class JobWriter:
    """Reads the projects of one group once, in two queries."""

    def __init__(self, project_ids: Collection[int]) -> None:
        wanted = set(project_ids)
        rows = (
            Project.objects.filter(pk__in=wanted).select_related("archive").defer("facts", "problems") if wanted else ()
        )
        self._projects = {project.pk: project for project in rows}
        renderers = {project.renderer_id for project in self._projects.values() if project.renderer_id}
        archives = RendererArchive.objects.filter(renderer_id__in=renderers).select_related("blob") if wanted else ()
        self._md5s = {(row.renderer_id, row.os, row.bits): row.blob.md5 for row in archives}
        self._scripts: dict[int, str] = {}

    def job(self, lease: LeaseFacts, platform: Platform, on_gpu: bool) -> Job:
        """The job of a lease. The edge adds what depends on the client."""
        project = self._projects[lease.project_id]
        if project.archive is None or project.renderer_id is None:
            raise RuntimeError(f"project {project.pk} was started without an archive or a renderer")
        md5 = project.archive.md5
        return Job(
            id=project.pk,
            frame=lease.frame,
            path=project.blend_path,
            archive_md5=md5,
            renderer=RendererInfo(self._md5s[(project.renderer_id, *platform)], COMMANDLINE, UPDATE_METHOD),
            script=self._script(project),
            extras=lease.token,
            use_gpu=on_gpu,
            revision=project.revision,
            name=project.name,
            password=project.archive_password,
            chunks=(Chunk(md5, md5),),
        )

    def _script(self, project: Project) -> str:
        if project.pk not in self._scripts:
            settings = ScriptSettings(OutputFormat(project.output_format), project.percentage, project.samples)
            self._scripts[project.pk] = scene_script(settings)
        return self._scripts[project.pk]
