"""Frames of a project: the data of the grid, pictures, what happened to one frame, logs."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from sheepfold.protocol.codes import ErrorKind
from sheepfold.server.core.errors import NotFound
from sheepfold.server.core.storage import store
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import Tile, TileFailure
from sheepfold.server.machines.models import Machine
from sheepfold.server.outputs.names import frame_name
from sheepfold.server.results.models import ErrorLog, Result, Verdict
from sheepfold.server.results.queries import is_verified
from sheepfold.server.web.downloads import send_blob
from sheepfold.server.web.frame_data import all_frames
from sheepfold.server.web.project_access import Visit, project_page

SHOWN_IN_BROWSERS = frozenset({"PNG", "JPEG", "WEBP", "BMP"})
FRAMES_PER_PAGE = 200
SHOWN_LOG_BYTES = 200_000  # the end of a log, where the reason stands
SHOWN_REPORTS = 5


@project_page
def data(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """What the grid draws from."""
    frames = all_frames(visit.project, name_machines=not visit.by_link)
    return JsonResponse(frames, headers={"Cache-Control": "no-store"})


@project_page
def table(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """The frames as a table, page by page, for those without scripts."""
    tiles = Tile.objects.filter(project=visit.project).order_by("frame", "part")
    page = Paginator(tiles, FRAMES_PER_PAGE).get_page(request.GET.get("page"))
    times = dict(_accepted(visit).filter(tile__in=[tile.pk for tile in page]).values_list("tile_id", "rendertime"))
    rows = [(tile, tile.get_status_display().lower(), times.get(tile.pk)) for tile in page]
    return render(request, "web/projects/table.html", {"visit": visit, "page": page, "rows": rows})


@project_page
def thumbnail(request: HttpRequest, visit: Visit, frame: int) -> HttpResponseBase:
    """The small picture of a finished frame."""
    result = _result(visit, frame)
    if result.thumbnail is None:
        raise NotFound("this frame has no thumbnail")
    return send_blob(request, result.thumbnail, filename=f"{frame:04}.webp", attached=False)


@project_page
def picture(request: HttpRequest, visit: Visit, frame: int) -> HttpResponseBase:
    """The largest picture of a frame that a browser can show."""
    result = _result(visit, frame)
    blob = result.blob if result.format in SHOWN_IN_BROWSERS else result.thumbnail
    if blob is None:
        raise NotFound("this frame has no picture")
    return send_blob(request, blob, filename=_filename(visit, result, frame), attached=False)


@project_page
def image(request: HttpRequest, visit: Visit, frame: int) -> HttpResponseBase:
    """The frame as it was rendered, to keep."""
    result = _result(visit, frame)
    if result.blob is None:
        raise NotFound("this frame has no image")
    return send_blob(request, result.blob, filename=_filename(visit, result, frame), attached=True)


@project_page
def detail(request: HttpRequest, visit: Visit, frame: int) -> HttpResponseBase:
    """What is known of one frame: its image, who renders it, why it failed. Guests of a link see no machines."""
    tiles = list(Tile.objects.filter(project=visit.project, frame=frame).order_by("part"))
    if not tiles:
        raise NotFound("the project has no such frame")
    ids = [tile.pk for tile in tiles]
    failures = [] if visit.by_link else list(TileFailure.objects.filter(tile__in=ids).order_by("-created_at"))
    lease = Lease.objects.filter(tile__in=ids, end=LeaseEnd.OPEN, verification_id=None).first()
    result = _accepted(visit).filter(tile__in=ids).select_related("blob").first()
    involved = {row.machine_id for row in (*failures, lease, result) if row is not None}
    context = {
        "visit": visit,
        "frame": frame,
        "tiles": tiles,
        "result": result,
        "verified": result is not None and is_verified(result.pk),
        "lease": lease,
        "failures": failures,
        "reports": _reports(visit, ids),
        "machines": {} if visit.by_link else Machine.objects.in_bulk(involved),
    }
    template = "web/projects/_frame.html" if request.headers.get("HX-Request") else "web/projects/frame.html"
    return render(request, template, context)


@project_page
def log(request: HttpRequest, visit: Visit, report_id: int) -> HttpResponseBase:
    """The end of the log that a machine sent, as plain text: nothing in it is ever read as markup."""
    report = ErrorLog.objects.filter(pk=report_id, project_id=visit.project.pk).first()
    if report is None or report.blob_id is None or visit.by_link:
        raise NotFound("there is no such log")
    text = store().read(report.blob_id)[-SHOWN_LOG_BYTES:]
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _reports(visit: Visit, tile_ids: list[int]) -> list[tuple[ErrorLog, str]]:
    """The newest error reports with their kind in words; machines' logs are not for guests of a link."""
    if visit.by_link:
        return []
    rows = ErrorLog.objects.filter(tile__in=tile_ids).order_by("-created_at")[:SHOWN_REPORTS]
    return [(row, kind_of_error(row.kind)) for row in rows]


def kind_of_error(number: int) -> str:
    """An error type of the protocol in words."""
    try:
        return ErrorKind(number).name.replace("_", " ").lower()
    except ValueError:
        return f"error {number}"


def _accepted(visit: Visit) -> QuerySet[Result]:
    return Result.objects.filter(project_id=visit.project.pk, verdict=Verdict.ACCEPTED)


def _result(visit: Visit, frame: int) -> Result:
    found = _accepted(visit).filter(tile__frame=frame).select_related("blob", "thumbnail").order_by("tile__part")
    result = found.first()
    if result is None:
        raise NotFound("this frame is not finished")
    return result


def _filename(visit: Visit, result: Result, frame: int) -> str:
    return frame_name(visit.project.name, frame, result.format)
