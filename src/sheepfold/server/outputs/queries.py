"""What there is to take home."""

from sheepfold.server.core.storage import store
from sheepfold.server.outputs.models import Video, VideoStatus
from sheepfold.server.outputs.zip import FrameZip
from sheepfold.server.results.queries import accepted_frames


def video_of(project_id: int) -> Video | None:
    """The film of a project, made, waited for or failed."""
    return Video.objects.select_related("blob").filter(project_id=project_id).first()


def videos_waited_for() -> list[int]:
    """Projects whose film is not made yet."""
    return list(Video.objects.filter(status=VideoStatus.WAITING).values_list("project_id", flat=True))


def frame_zip(project_id: int, project_name: str) -> FrameZip:
    """All frames that are accepted by now, also while the project renders."""
    return FrameZip(project_name, accepted_frames(project_id), store())
