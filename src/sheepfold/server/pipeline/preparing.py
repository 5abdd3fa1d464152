"""From an upload to a project that can be started: looks into the scene, chooses its Blender, packs the archive."""

from dataclasses import dataclass

from sheepfold.server.core.storage import BlobRef
from sheepfold.server.projects import actions as projects
from sheepfold.server.projects.actions import Analysis
from sheepfold.server.projects.models import Project


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
    """Look into the upload of a project. Raises OSError and Unavailable for what may pass."""
    return Refused("looking into scenes is not possible on this farm")


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
