"""From an upload to a project that can be started: looks into the scene, chooses its Blender, packs the archive."""

from dataclasses import dataclass
from pathlib import Path

from sheepfold.server.core.config import config
from sheepfold.server.core.storage import BlobRef, store, temporary_path
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects.actions import Analysis, SceneDefaults
from sheepfold.server.projects.analysis_process import analyse_apart
from sheepfold.server.projects.archives import Contents, choose_blend, inspect
from sheepfold.server.projects.facts import Report, SceneFacts, Severity
from sheepfold.server.projects.formats import rendered_format
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.packing import MEDIA_TYPE, pack_scene
from sheepfold.server.projects.queries import without_renderer
from sheepfold.server.renderers.queries import choose_renderer
from sheepfold.server.renderers.versions import parse_version

VERSION_PROBLEM = "blender-version"


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be rendered; why and what to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class SeveralScenes:
    """Its owner has to choose: paths of .blend files inside the upload."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """It can be rendered, and its archive is in the store."""

    analysis: Analysis
    archive: BlobRef


Outcome = Refused | SeveralScenes | Ready


def prepare(project: Project) -> Outcome:
    """Look into the upload of a project. Raises BadInput for a bad one, OSError and Unavailable for what may pass."""
    if project.upload_id is None:
        raise ValueError(f"project {project.pk} has no upload")
    with store().local(project.upload_id) as upload:
        contents = inspect(upload, project.upload_name)
        blend = choose_blend(contents, project.blend_path)
        if blend is None:
            return SeveralScenes(contents.blends)
        report = analyse_apart(upload, contents, blend, config().tmp_dir)
        return Refused(report.refusal) if report.refusal else Ready(_analysis(report, blend), _pack(upload, contents))


def _analysis(report: Report, blend: str) -> Analysis:
    choice = choose_renderer(parse_version(report.facts.version))
    problems = [{"kind": one.kind, "severity": one.severity, "text": one.text} for one in report.problems]
    problems += _version_problems(choice.note)
    return Analysis(
        facts=report.facts.to_json(),
        problems=problems,
        blend_path=blend,
        defaults=_defaults(report.facts),
        renderer_id=choice.renderer_id,
    )


def _defaults(facts: SceneFacts) -> SceneDefaults:
    width, height = facts.size_at(facts.percentage)
    return SceneDefaults(
        width=width,
        height=height,
        percentage=facts.percentage,
        fps=facts.fps,
        frames=facts.frames,
        output_format=rendered_format(facts.file_format),
        use_gpu=facts.uses_gpu,
    )


def _pack(upload: Path, contents: Contents) -> BlobRef:
    with temporary_path(".zip") as target:
        pack_scene(upload, contents, target)
        return store().keep(target, MEDIA_TYPE)


def give_missing_renderers() -> None:
    """Projects that were analysed when the farm had no Blender get theirs."""
    for project in without_renderer():
        choice = choose_renderer(parse_version(project.facts["version"]))
        if choice.renderer_id is not None:
            others = [one for one in project.problems if one["kind"] != VERSION_PROBLEM]
            problems = others + _version_problems(choice.note)
            projects.assign_renderer(project_id=project.pk, renderer_id=choice.renderer_id, problems=problems)


def _version_problems(note: str) -> list[dict[str, str]]:
    return [{"kind": VERSION_PROBLEM, "severity": Severity.WARN, "text": note}] if note else []


def record(project_id: int, outcome: Outcome) -> None:
    """Write the outcome down, in the caller's transaction. Raises Conflict if the project has moved on."""
    match outcome:
        case Refused(reason):
            projects.reject_project(project_id=project_id, reason=reason)
        case SeveralScenes(paths):
            projects.ask_for_blend(project_id=project_id, problems=[_choice(path) for path in paths])
        case Ready(analysis, archive):
            projects.record_analysis(project_id=project_id, analysis=analysis, archive=archive)


def _choice(path: str) -> dict[str, str]:
    return {"kind": "choose", "text": f"Is {path} the scene to render?", "choice": path}
