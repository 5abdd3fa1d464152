"""Every change of what an owner takes home."""

from django.db.models import Q

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.errors import Conflict
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.outputs.models import Video, VideoStatus


def request_video(*, project_id: int) -> None:
    """A film is wanted (again); the old one stays until then."""
    Video.objects.update_or_create(project_id=project_id, defaults={"status": VideoStatus.WAITING, "reason": ""})


def record_video(*, project_id: int, ref: BlobRef, frames: int) -> None:
    """The film is made. Raises Conflict if none is waited for."""
    _settle(project_id, status=VideoStatus.DONE, blob=record_blob(ref=ref), frames=frames)


def record_video_failure(*, project_id: int, reason: str) -> None:
    """There is no film, and why. Raises Conflict if none is waited for."""
    _settle(project_id, status=VideoStatus.FAILED, reason=reason)


def _settle(project_id: int, **values: object) -> None:
    rows = Video.objects.filter(Q(project_id=project_id) & Q(status=VideoStatus.WAITING))
    if rows.update(**values) == 0:
        raise Conflict("no film of this project is waited for")
