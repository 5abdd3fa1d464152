"""Settings and switches, storage, error reports of clients, the audit trail."""

from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from pydantic import SecretStr

from sheepfold.protocol.generations import TRAITS
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.config import ServerConfig, config
from sheepfold.server.core.errors import BadInput, NotFound
from sheepfold.server.core.models import AuditEntry, Blob
from sheepfold.server.core.storage import store
from sheepfold.server.core.switches import (
    OLDEST_CLIENT,
    FarmSwitch,
    oldest_client,
    set_oldest_client,
    set_switch,
    switches_on,
)
from sheepfold.server.machines.models import Machine
from sheepfold.server.pipeline import trials
from sheepfold.server.projects.models import Project
from sheepfold.server.results.models import ErrorLog
from sheepfold.server.web.access import PersonRequest, admins_only, changes, shows
from sheepfold.server.web.retention import gone_on
from sheepfold.server.web.views.frames import SHOWN_LOG_BYTES, kind_of_error

PER_PAGE = 100
LARGEST = 20
SWITCH_WORDS = {
    FarmSwitch.MAINTENANCE: (
        "Maintenance",
        "Machines get no new work and ask again later (206). Running frames go on.",
    ),
    FarmSwitch.TEST_MACHINES: (
        "Test machines",
        "A machine renders a test frame on each of its devices before it gets any work: it shows whether the picture "
        "is right and how fast it was made. Leave it off where you trust every machine.",
    ),
    FarmSwitch.OVERLOADED: ("Overload", "Machines are told that the farm is overloaded (207) and ask more rarely."),
}
CLIENT_YEARS = sorted({traits.since.year for traits in TRAITS.values()})  # in which clients changed


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the environment, as the page shows it."""

    name: str
    value: str
    description: str


@shows
@admins_only
def settings(request: PersonRequest) -> HttpResponse:
    """Switches that work at once, and the settings of the environment, which need a restart."""
    on = switches_on()
    switches = [(switch.value, *SWITCH_WORDS[switch], switch in on) for switch in FarmSwitch]
    context = {"switches": switches, "settings": _settings(), "oldest": oldest_client(), "years": CLIENT_YEARS}
    return render(request, "web/admin/settings.html", context)


def _settings() -> list[Setting]:
    found = config()
    return [
        Setting(f"SHEEPFOLD_{name.upper()}", _shown(getattr(found, name)), field.description or "")
        for name, field in ServerConfig.model_fields.items()
    ]


def _shown(value: object) -> str:
    """Secrets are never shown; an address may hold a password."""
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else ""
    text = str(value)
    return "set" if "@" in text and "://" in text else text


@changes
@admins_only
def flip(request: PersonRequest, name: str) -> HttpResponse:
    """Set a switch, or the year of the oldest client."""
    if name == OLDEST_CLIENT:
        return _shut_out_older(request)
    if name not in list(FarmSwitch):
        raise NotFound("there is no such switch")
    on = request.POST.get("on") == "1"
    if on and name == FarmSwitch.TEST_MACHINES:
        trials.set_up()
    set_switch(switch=FarmSwitch(name), on=on)
    record_audit(actor_id=request.user.pk, action="set switch", subject=name, detail="on" if on else "off")
    return HttpResponseRedirect("/admin/settings/")


def _shut_out_older(request: PersonRequest) -> HttpResponseRedirect:
    text = request.POST.get("year", "")
    if text not in {"0", *map(str, CLIENT_YEARS)}:
        raise BadInput("choose a year of the list")
    set_oldest_client(year=int(text))
    record_audit(actor_id=request.user.pk, action="set oldest client", subject=OLDEST_CLIENT, detail=text)
    return HttpResponseRedirect("/admin/settings/")


@shows
@admins_only
def storage(request: PersonRequest) -> HttpResponse:
    """What fills the store, and what will be deleted when."""
    kinds = Blob.objects.values_list("media_type").annotate(count=Count("sha256"), bytes=Sum("size")).order_by("-bytes")
    in_bin = Project.objects.exclude(deleted_at=None).select_related("owner").order_by("deleted_at")
    context = {
        "kinds": kinds,
        "total": sum(size or 0 for _, _, size in kinds),
        "bin": [(project, gone_on(project)) for project in in_bin],
    }
    return render(request, "web/admin/storage.html", context)


@shows
@admins_only
def errors(request: PersonRequest) -> HttpResponse:
    """What machines reported, the newest first."""
    page = Paginator(ErrorLog.objects.order_by("-created_at", "-id"), PER_PAGE).get_page(request.GET.get("page"))
    machines = Machine.objects.select_related("user").in_bulk({row.machine_id for row in page})
    projects = Project.objects.in_bulk({row.project_id for row in page if row.project_id})
    rows = [
        (row, kind_of_error(row.kind), machines.get(row.machine_id), projects.get(row.project_id or 0)) for row in page
    ]
    return render(request, "web/admin/errors.html", {"page": page, "rows": rows})


@shows
@admins_only
def log(request: PersonRequest, report_id: int) -> HttpResponse:
    """The end of a log, as plain text."""
    report = ErrorLog.objects.filter(pk=report_id).exclude(blob=None).first()
    if report is None or report.blob_id is None:
        raise NotFound("there is no such log")
    text = store().read(report.blob_id)[-SHOWN_LOG_BYTES:]
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@shows
@admins_only
def audit(request: PersonRequest) -> HttpResponse:
    """Who did what."""
    entries = AuditEntry.objects.select_related("actor").order_by("-created_at", "-id")
    return render(
        request, "web/admin/audit.html", {"page": Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))}
    )
