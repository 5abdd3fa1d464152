"""Resumable uploads: tus 1.0 (https://tus.io/protocols/resumable-upload) over `projects.intake`.

The browser sends pieces of a few MiB, each a PATCH of its own: a lost connection costs one piece, a restart of the
server nothing. The plain form of the page comes here, too, as one request.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import PurePath

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.core.clock import now
from sheepfold.server.core.errors import BadInput, FarmError
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.pipeline import steps
from sheepfold.server.pipeline.receiving import complete_upload, give_up_upload
from sheepfold.server.projects import intake
from sheepfold.server.projects.actions import create_project, finish_upload
from sheepfold.server.web.access import PersonRequest, signed_in

TUS_VERSION = "1.0.0"
PIECE = 1 << 20  # bytes read from the request at a time
MAX_NAME = 100
PIECE_TYPE = "application/offset+octet-stream"


@signed_in
def new_project(request: PersonRequest) -> HttpResponse:
    """The page with the place to drop a scene on; without scripts its form sends the file in one request."""
    if request.method != "POST":
        return _page(request)
    file = request.FILES.get("scene")
    if file is None or file.name is None:
        return _page(request, "Choose a .blend or a .zip file first.")
    try:
        ref = intake.keep_whole(name=file.name, chunks=file.chunks())
        with transaction.atomic():
            project = create_project(owner=request.user, name=_title(file.name), upload_name=file.name)
            _hand_over(project.pk, ref, file.name)
    except FarmError as error:
        return _page(request, error.message, error.status)
    return HttpResponseRedirect(f"/projects/{project.pk}/")


def _page(request: PersonRequest, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"problem": problem, "max_size": intake.max_size()}
    return render(request, "web/projects/new.html", context, status=status)


def tus(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Headers of the protocol, and failures as plain text that the page shows."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not request.user.is_authenticated:
            response = HttpResponse("Sign in first.", status=401, content_type="text/plain")
        else:
            try:
                response = view(request, **kwargs)
            except FarmError as error:
                response = HttpResponse(error.message, status=error.status, content_type="text/plain")
        response.headers["Tus-Resumable"] = TUS_VERSION
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped


@tus
def collection(request: PersonRequest) -> HttpResponse:
    """OPTIONS: what the server can. POST: announce a file; makes its project."""
    if request.method == "OPTIONS":
        headers = {
            "Tus-Version": TUS_VERSION,
            "Tus-Extension": "creation,termination,expiration",
            "Tus-Max-Size": str(intake.max_size()),
        }
        return HttpResponse(status=204, headers=headers)
    if request.method != "POST":
        return HttpResponse(status=405, headers={"Allow": "OPTIONS, POST"})
    name, size = _filename(request), _number(request, "Upload-Length")
    intake.check_room(size=size)
    with transaction.atomic():
        project = create_project(owner=request.user, name=_title(intake.clean_name(name)), upload_name=name)
        upload = intake.create_upload(owner_id=request.user.pk, project_id=project.pk, name=name, size=size)
    return _answer(upload, 201, Location=f"/upload/{upload.id}/")


@tus
def one(request: PersonRequest, upload_id: str) -> HttpResponse:
    """HEAD: how far it is. PATCH: the next piece. DELETE: give up."""
    upload = intake.find_upload(owner_id=request.user.pk, upload_id=upload_id, now=now())
    if request.method == "HEAD":
        if upload.complete and not upload.done:
            complete_upload(upload=upload)
        return _answer(upload, 200)
    if request.method == "DELETE":
        give_up_upload(upload=upload)
        return HttpResponse(status=204)
    if request.method != "PATCH":
        return HttpResponse(status=405, headers={"Allow": "HEAD, PATCH, DELETE"})
    if request.content_type != PIECE_TYPE:
        return HttpResponse(f"send pieces as {PIECE_TYPE}", status=415, content_type="text/plain")
    upload = intake.append(upload=upload, offset=_number(request, "Upload-Offset"), chunks=_pieces(request))
    if upload.complete:
        complete_upload(upload=upload)
    return _answer(upload, 204)


def _hand_over(project_id: int, ref: BlobRef, name: str) -> None:
    finish_upload(project_id=project_id, ref=ref, upload_name=name)
    steps.upload_finished(project_id=project_id)


def _answer(upload: intake.Upload, status: int, **headers: str) -> HttpResponse:
    known = {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.size),
        "Upload-Expires": upload.expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Sheepfold-Project": str(upload.project_id),
    }
    return HttpResponse(status=status, headers=known | headers)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(PIECE):
        yield piece


def _number(request: HttpRequest, name: str) -> int:
    value = request.headers.get(name, "")
    if not value.isascii() or not value.isdigit():
        raise BadInput(f"{name}: a number of bytes is needed")
    return int(value)


def _filename(request: HttpRequest) -> str:
    """From `Upload-Metadata: filename <base64>,…`."""
    pairs = (pair.strip().partition(" ") for pair in request.headers.get("Upload-Metadata", "").split(","))
    encoded = {key: value for key, _, value in pairs}.get("filename", "")
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadInput("Upload-Metadata: `filename` is not base64 of a name in UTF-8") from None


def _title(filename: str) -> str:
    """The name of a project until its owner gives another."""
    words = PurePath(filename).stem.replace("_", " ").strip()
    return words[:MAX_NAME] or "Scene"
