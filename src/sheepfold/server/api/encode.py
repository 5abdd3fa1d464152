"""From rows to what the interface gives."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sheepfold.server.api import schemas
from sheepfold.server.frames.queries import TileCounts, tile_counts_of
from sheepfold.server.machines.models import Machine
from sheepfold.server.outputs.models import Video
from sheepfold.server.outputs.names import frame_name
from sheepfold.server.projects.intake import Upload
from sheepfold.server.projects.models import Project
from sheepfold.server.renderers.queries import RendererFact
from sheepfold.server.results.models import Result
from sheepfold.server.results.queries import seconds_left


def encode_projects(projects: Sequence[Project]) -> list[schemas.Project]:
    """Projects in the same order; counts of all in one query."""
    ids = [project.pk for project in projects]
    counts = tile_counts_of(ids)
    videos = dict(Video.objects.filter(project_id__in=ids).values_list("project_id", "status"))
    return [_project(one, counts.get(one.pk, TileCounts()), str(videos.get(one.pk, ""))) for one in projects]


def _project(project: Project, counts: TileCounts, video: str) -> schemas.Project:
    return schemas.Project(
        id=project.pk,
        owner=project.owner.username,
        status=project.status,
        reason=project.reason,
        problems=list(project.problems),
        settings=_settings(project),
        width=project.width,
        height=project.height,
        fps=project.fps,
        progress=_progress(project, counts),
        video=video,
        created_at=project.created_at,
        started_at=project.started_at,
        finished_at=project.finished_at,
    )


def _settings(project: Project) -> schemas.ProjectSettings:
    return schemas.ProjectSettings(
        name=project.name,
        frames=project.frames,
        order=project.order,
        renderer=project.renderer.version if project.renderer else None,
        percentage=project.percentage,
        samples=project.samples,
        output_format=project.output_format,
        use_gpu=project.use_gpu,
        use_cpu=project.use_cpu,
        priority=project.priority,
    )


def _progress(project: Project, counts: TileCounts) -> schemas.Progress:
    return schemas.Progress(
        waiting=counts.waiting,
        rendering=counts.rendering,
        done=counts.done,
        failed=counts.failed,
        cancelled=counts.cancelled,
        seconds_left=seconds_left(project.pk, counts),
    )


def encode_results(project: Project, results: Iterable[Result]) -> list[schemas.Result]:
    """Accepted images, with the names of their machines."""
    rows = list(results)
    machines = dict(Machine.objects.filter(pk__in={row.machine_id for row in rows}).values_list("id", "name"))
    return [
        schemas.Result(
            result=row.pk,
            frame=row.tile.frame,
            part=row.tile.part,
            seconds=row.rendertime,
            machine=machines.get(row.machine_id, ""),
            size=row.size,
            file=result_name(project, row),
        )
        for row in rows
    ]


def result_name(project: Project, result: Result) -> str:
    """The name that an image has in the zip, too."""
    return frame_name(project.name, result.tile.frame, result.format, result.tile.part)


def encode_renderer(fact: RendererFact) -> schemas.Renderer:
    """A renderer with its archives."""
    archives = [
        schemas.RendererArchive(
            os=one.platform.os,
            bits=one.platform.bits,
            size=one.size,
            source=one.source,
            local_only=one.local_only,
        )
        for one in fact.archives
    ]
    return schemas.Renderer(id=fact.id, version=fact.version, default=fact.is_default, archives=archives)


def encode_machine(machine: Machine, *, connected: bool, heard_at: datetime | None) -> schemas.Machine:
    """A machine for its owner."""
    return schemas.Machine(
        id=machine.pk,
        name=machine.name,
        os=machine.os,
        cpu=machine.cpu_name,
        cores=machine.cpu_cores,
        ram_kib=machine.ram_kib,
        client=machine.client,
        connected=connected,
        paused=machine.paused,
        stop=machine.wish,
        disabled_reason=machine.disabled_reason,
        seen_at=heard_at,
    )


def encode_upload(upload: Upload) -> schemas.Upload:
    """How far an upload is."""
    return schemas.Upload(
        id=upload.id,
        project=upload.project_id,
        received=upload.offset,
        size=upload.size,
        done=upload.done,
    )
