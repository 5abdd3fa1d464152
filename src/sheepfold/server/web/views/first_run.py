"""First run: the page behind the one-time link that `serve` prints on an empty farm."""

import shutil
import subprocess
from dataclasses import dataclass

from django import forms
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sheepfold.server.accounts.first_run import first_run_admin, take_over
from sheepfold.server.core.actions import record_audit
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import FarmError, NotFound
from sheepfold.server.core.storage import store
from sheepfold.server.renderers.queries import renderers

PROBE = b"Sheepfold can write here.\n"
BLENDER_SECONDS = 20


class AdminForm(forms.Form):
    """The first account."""

    username = forms.CharField(max_length=100, label="Name", validators=[UnicodeUsernameValidator()])
    email = forms.EmailField(required=False, label="Mail address", help_text="To reset the password. Optional.")
    password = forms.CharField(
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        validators=[validate_password],
    )


@dataclass(frozen=True, slots=True)
class Check:
    """Something that a farm needs, whether it works, and what to do if not."""

    name: str
    good: bool
    words: str


def first_run(request: HttpRequest, secret: str) -> HttpResponse:
    """The form and the checks; a POST makes the first admin."""
    if first_run_admin(secret) is None:
        raise NotFound("this link was used already")
    form = AdminForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _take_over(request, secret, form)
    return render(request, "web/first_run.html", {"form": form, "checks": checks()})


@transaction.atomic
def _take_over(request: HttpRequest, secret: str, form: AdminForm) -> HttpResponse:
    admin = take_over(secret=secret, **form.cleaned_data)
    record_audit(actor_id=admin.pk, action="first run", subject=admin.username)
    login(request, admin)
    return HttpResponseRedirect("/machines/lend/?first=1" if renderers() else "/admin/renderers/")


def checks() -> list[Check]:
    """Storage, mail, Blender."""
    return [_storage(), _mail(), _blender()]


def _storage() -> Check:
    try:
        ref = store().keep_bytes(PROBE, "text/plain")
        works = store().read(ref.sha256) == PROBE
        store().delete(ref.sha256)
    except (OSError, FarmError) as error:
        return Check("Storage", False, f"It cannot be written: {error}. Check SHEEPFOLD_DATA_DIR and its rights.")
    return Check("Storage", works, "Files can be kept." if works else "What was written came back different.")


def _mail() -> Check:
    if config().mail_url:
        return Check("Mail", True, "Mails go to the server of SHEEPFOLD_MAIL_URL.")
    return Check("Mail", False, "No mail server is set (SHEEPFOLD_MAIL_URL). Mails are written to the log until then.")


def _blender() -> Check:
    known = renderers()
    if known:
        return Check("Blender", True, "Renderers: " + ", ".join(fact.version for fact in known))
    path = shutil.which("blender")
    if path is None:
        return Check("Blender", False, "None found here. Upload an archive of Blender under Admin, Renderers.")
    lines = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=BLENDER_SECONDS, check=False)
    return Check("Blender", True, f"Found {lines.stdout.partition(chr(10))[0]}: it can be the first renderer.")
