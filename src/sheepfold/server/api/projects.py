"""Projects: each handler is one look, or one step of the pipeline."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.http import HttpResponseBase

from sheepfold.server.accounts.models import User
from sheepfold.server.api import schemas
from sheepfold.server.api.encode import encode_projects, encode_results, result_name
from sheepfold.server.api.files import blob_answer, zip_answer
from sheepfold.server.api.numbers import number
from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import NotFound
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.outputs.names import safe_stem
from sheepfold.server.outputs.queries import frame_zip, video_of
from sheepfold.server.pipeline import steps
from sheepfold.server.projects import actions
from sheepfold.server.projects.changes import SettingsChange
from sheepfold.server.projects.frame_ranges import parse_frames
from sheepfold.server.projects.permissions import Action, project_for, visible_projects
from sheepfold.server.results.models import Result, Verdict

PAGE = 1000
Steer = Callable[..., schemas.Project]


def listing(*, user: User) -> list[schemas.Project]:
    """The newest thousand that the asker may see."""
    rows = visible_projects(user).select_related("owner", "renderer").order_by("-created_at")
    return encode_projects(list(rows[:PAGE]))


def show(*, user: User, project_id: int) -> schemas.Project:
    """One project."""
    return encode_projects([project_for(user, project_id)])[0]


def change(*, user: User, project_id: int, body: SettingsChange) -> schemas.Project:
    """Change what is given."""
    project_for(user, project_id, Action.STEER)
    actions.change_settings(project_id=project_id, change=body, user=user)
    return show(user=user, project_id=project_id)


def delete(*, user: User, project_id: int) -> schemas.Done:
    """Into the bin."""
    project_for(user, project_id, Action.DELETE)
    steps.delete_project(project_id=project_id, now=now())
    return schemas.Done()


def _steer(step: Callable[..., object], right: Action) -> Steer:
    def handler(*, user: User, project_id: int) -> schemas.Project:
        project_for(user, project_id, right)
        step(project_id=project_id, now=now())
        return show(user=user, project_id=project_id)

    return handler


start = _steer(steps.start_project, Action.STEER)
pause = _steer(steps.pause_project, Action.STEER)
resume = _steer(steps.resume_project, Action.STEER)
cancel = _steer(steps.cancel_project, Action.STEER)
restore = _steer(steps.restore_project, Action.DELETE)


def rerender(*, user: User, project_id: int, body: schemas.FrameList) -> schemas.Count:
    """Render frames again."""
    project_for(user, project_id, Action.STEER)
    numbers = parse_frames(body.frames)
    return schemas.Count(steps.rerender(project_id=project_id, frame_numbers=numbers, now=now()))


def extend(*, user: User, project_id: int, body: schemas.FrameList) -> schemas.Count:
    """Add frames."""
    project_for(user, project_id, Action.STEER)
    return schemas.Count(steps.extend_project(project_id=project_id, frames_text=body.frames, now=now()))


def frames(*, user: User, project_id: int, query: dict[str, str]) -> list[schemas.Frame]:
    """A page of frames, with the time and the machine of finished ones."""
    project = project_for(user, project_id)
    offset = number("offset", query["offset"])
    tiles = list(Tile.objects.filter(project_id=project_id).order_by("frame", "part")[offset : offset + PAGE])
    accepted = _accepted(project_id).filter(tile__in=[tile.pk for tile in tiles])
    images = {(one.frame, one.part): one for one in encode_results(project, accepted)}
    return [_frame(tile, images.get((tile.frame, tile.part))) for tile in tiles]


def _frame(tile: Tile, image: schemas.Result | None) -> schemas.Frame:
    return schemas.Frame(
        frame=tile.frame,
        part=tile.part,
        status=TileStatus(tile.status).name.lower(),
        failures=tile.failures,
        seconds=image.seconds if image else None,
        machine=image.machine if image else None,
    )


def results(*, user: User, project_id: int, query: dict[str, str]) -> list[schemas.Result]:
    """A page of accepted images in the order they came."""
    project = project_for(user, project_id)
    after = number("after", query["after"])
    return encode_results(project, _accepted(project_id).filter(pk__gt=after).order_by("pk")[:PAGE])


def frame_file(*, user: User, project_id: int, frame: int, query: dict[str, str]) -> HttpResponseBase:
    """The image of a frame as it was rendered."""
    project = project_for(user, project_id)
    part = number("part", query["part"])
    result = _accepted(project_id).filter(tile__frame=frame, tile__part=part).first()
    if result is None or result.blob is None:
        raise NotFound("this frame is not finished")
    return blob_answer(result.blob, result_name(project, result))


def zip_file(*, user: User, project_id: int) -> HttpResponseBase:
    """All finished frames, packed while they are sent."""
    project = project_for(user, project_id)
    return zip_answer(frame_zip(project.pk, project.name))


def video_file(*, user: User, project_id: int) -> HttpResponseBase:
    """The film."""
    project = project_for(user, project_id)
    video = video_of(project_id)
    if video is None or video.blob is None:
        raise NotFound("there is no film yet; it is made when the last frame is done")
    return blob_answer(video.blob, f"{safe_stem(project.name)}.mp4")


def _accepted(project_id: int) -> QuerySet[Result]:
    rows = Result.objects.filter(project_id=project_id, verdict=Verdict.ACCEPTED)
    return rows.select_related("tile", "blob")
