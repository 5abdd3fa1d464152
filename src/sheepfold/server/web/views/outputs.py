"""What is taken home: all frames as a zip, the film."""

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from sheepfold.server.core.errors import NotFound
from sheepfold.server.outputs.names import safe_stem
from sheepfold.server.outputs.queries import frame_zip, video_of
from sheepfold.server.web.downloads import disposition, send_blob
from sheepfold.server.web.project_access import Visit, project_page


@project_page
def zip_of_frames(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """Every frame that is finished by now, made while it is sent."""
    archive = frame_zip(visit.project.pk, visit.project.name)
    response = StreamingHttpResponse(aiter(archive), content_type="application/zip")
    response.headers["Content-Length"] = str(archive.size)
    response.headers["Content-Disposition"] = disposition(archive.name, attached=True)
    response.headers["Cache-Control"] = "no-store"
    return response


@project_page
def video(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The film; played in the page unless it is asked for as a file."""
    found = video_of(visit.project.pk)
    if found is None or found.blob is None:
        raise NotFound("there is no film yet")
    name = f"{safe_stem(visit.project.name)}.{found.blob.media_type.partition('/')[2]}"
    return send_blob(request, found.blob, filename=name, attached="download" in request.GET)
