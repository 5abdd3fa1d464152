"""A scene comes in pieces, as large as the sender likes; a broken connection loses none that came."""

from collections.abc import Iterable, Iterator

from django.http import HttpRequest

from sheepfold.server.accounts.models import User
from sheepfold.server.api import schemas
from sheepfold.server.api.encode import encode_upload
from sheepfold.server.api.numbers import number
from sheepfold.server.core.clock import now
from sheepfold.server.pipeline.receiving import complete_upload
from sheepfold.server.projects import actions, intake

READ_CHUNK = 1 << 18


def create(*, user: User, body: schemas.NewUpload) -> schemas.Upload:
    """Announce a file; its project is made at once."""
    name = intake.clean_name(body.name)
    intake.check_room(size=body.size)
    project = actions.create_project(owner=user, name=name.rpartition(".")[0][:100] or name, upload_name=name)
    upload = intake.create_upload(owner_id=user.pk, project_id=project.pk, name=name, size=body.size)
    return encode_upload(upload)


def show(*, user: User, upload_id: str) -> schemas.Upload:
    """How much has come."""
    return encode_upload(intake.find_upload(owner_id=user.pk, upload_id=upload_id, now=now()))


def append(*, user: User, upload_id: str, query: dict[str, str], request: HttpRequest) -> schemas.Upload:
    """Add the body at the offset."""
    upload = intake.find_upload(owner_id=user.pk, upload_id=upload_id, now=now())
    upload = intake.append(upload=upload, offset=number("offset", query["offset"]), chunks=_chunks(request))
    if upload.complete:
        complete_upload(upload=upload)
        upload = intake.find_upload(owner_id=user.pk, upload_id=upload_id, now=now())
    return encode_upload(upload)


def _chunks(request: HttpRequest) -> Iterable[bytes]:
    def read() -> Iterator[bytes]:
        while chunk := request.read(READ_CHUNK):
            yield chunk

    return read()
