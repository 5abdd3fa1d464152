"""Markup in every text that anybody can bring into the farm, shown on every page to everybody.

A new column for text fails a test here until it is said which kind it is.
"""

import json
from dataclasses import fields
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from lxml import html

from sheepfold.server.core.clock import now
from sheepfold.server.core.models import AuditEntry
from sheepfold.server.frames.models import TileFailure
from sheepfold.server.machines.actions import SessionTerms, open_session
from sheepfold.server.machines.models import BlockedProject
from sheepfold.server.outputs.models import Video
from sheepfold.server.projects.facts import ExternalFile, FileKind, SceneFacts
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.server.farm import make_project
from tests.server.web.test_permissions import TABLE, filled
from tests.server.web.world import World

ATTACK = "\"><img src=x onerror=alert(1)>'"
SHORT = '"><i x=1>'

# what people, machines and files bring, as it is shown
SHOWN = {
    "core.AuditEntry": ("action", "subject", "detail"),
    "accounts.User": ("username", "first_name", "last_name", "email"),
    "accounts.Group": ("name",),
    "accounts.Invitation": ("note",),
    "accounts.RenderKey": ("name",),
    "accounts.ApiToken": ("name",),
    "renderers.RendererArchive": ("os", "source"),
    "projects.Project": ("name", "reason", "upload_name", "blend_path", "facts", "problems", "output_format"),
    "machines.Machine": ("name", "os", "cpu_name", "gpu_name", "client", "disabled_reason"),
    "machines.Session": ("version", "instance", "run"),
    "machines.BlockedProject": ("reason",),
    "frames.TileFailure": ("reason",),
    "results.Result": ("format",),
    "outputs.Video": ("reason",),
}
# hashes, secrets, the farm's own words, and texts that only what is checked gets into
OWN_WORDS = {
    "core.Blob": ("sha256", "md5", "media_type"),
    "core.Event": ("topic", "kind", "reference"),
    "core.Attempt": ("account", "address"),
    "core.Switch": ("name", "value"),
    "accounts.User": ("password",),
    "accounts.Invitation": ("secret_hash",),
    "accounts.RenderKey": ("secret_hash", "machine_mark"),
    "accounts.ApiToken": ("secret_hash",),
    "renderers.Renderer": ("version",),
    "projects.Project": ("archive_password", "frames"),
    "projects.ShareLink": ("secret_hash",),
    "machines.Machine": ("fingerprint", "wish"),
    "machines.Session": ("token_hash", "generation", "obeys"),
    "dispatch.Lease": ("token",),
    "results.Result": ("lease_token",),
    "results.Verification": ("family",),
}
TEXT = (models.CharField, models.TextField, models.JSONField)


def test_every_column_for_text_is_of_one_kind_or_the_other() -> None:
    found = {
        (model._meta.label, field.name)
        for model in apps.get_models()
        if model.__module__.startswith("sheepfold.")
        for field in model._meta.concrete_fields
        if isinstance(field, TEXT) and not field.choices and not field.is_relation
    }
    listed = [(label, name) for table in (SHOWN, OWN_WORDS) for label, names in table.items() for name in names]
    assert len(listed) == len(set(listed))
    assert found == set(listed)


@pytest.fixture
def marked(world: World) -> World:
    """Every table of SHOWN has rows, and every text in them is an attack."""
    _fill(world)
    for label, names in SHOWN.items():
        rows = list(apps.get_model(label)._default_manager.all())
        assert rows, f"there is no row of {label} to show"
        for row in rows:
            for name in names:
                setattr(row, name, _attack(row, name))
            row.save()
    return world


def _fill(world: World) -> None:
    tile = world.project.tiles.get(frame=2)
    AuditEntry.objects.create(actor=world.owner, action="x", subject="x")
    TileFailure.objects.create(tile=tile, machine_id=world.machine.pk, owner_id=1, reason="x", created_at=now())
    BlockedProject.objects.create(machine=world.machine, project_id=world.project.pk, reason="x")
    Video.objects.create(project=world.project, status="failed")
    open_session(machine=world.machine, key=world.key, terms=SessionTerms("java-2015", "1", 0, 999, 1), now=now())
    for status in ProjectStatus:
        make_project(owner=world.owner, status=status, facts={}, tiles=1)


def _attack(row: models.Model, name: str) -> Any:
    field = row._meta.get_field(name)
    if name == "facts":
        return _facts()
    if name == "problems":
        return [{"kind": "missing_file", "severity": "error", "text": ATTACK}]
    most = field.max_length or 1000
    return (f"{row.pk}{ATTACK if most > 40 else SHORT}")[:most] if field.unique else (ATTACK if most > 40 else SHORT)


def _facts() -> dict[str, Any]:
    """Of a file whose every name is an attack."""
    ordinary = {"int": 1, "float": 24.0, "bool": True, "str": ATTACK, "tuple[str, ...]": (ATTACK,), "int | None": 1}
    values = {
        one.name: ordinary.get(str(one.type).removeprefix("<class '").removesuffix("'>")) for one in fields(SceneFacts)
    }
    values["files"] = (ExternalFile(FileKind.IMAGE, ATTACK, ATTACK, "", sequence=False),)
    facts: dict[str, Any] = json.loads(json.dumps(SceneFacts(**values).to_json()))
    return facts


@pytest.mark.parametrize("role", ["owner", "admin", "member", "visitor"])
def test_no_text_becomes_markup(marked: World, role: str) -> None:
    client, shown = Client(), 0
    person = marked.people[role]
    if person is not None:
        client.force_login(person)
    pages = [filled(row.path, marked) for row in TABLE if row.form is None and "live" not in row.path]
    pages += [f"/projects/{pk}/" for pk in Project.objects.values_list("pk", flat=True)]
    for path in pages:
        response = client.get(path)
        assert response.status_code < 500, path
        is_page = response.headers["Content-Type"].startswith("text/html")
        if is_page and (text := response.content.decode()):
            assert _broken_out(html.fromstring(text)) == [], path
            shown += text.count("onerror") + text.count("x=1")
    assert shown > (5 if role == "visitor" else 50)


def _broken_out(page: html.HtmlElement) -> list[str]:
    """Elements and attributes that no page of ours has."""
    found = [node.tag for node in page.iter("img") if node.get("src") == "x"]
    found += [node.tag for node in page.iter("i") if node.get("x")]
    return found + [name for node in page.iter(html.etree.Element) for name in node.attrib if name.startswith("on")]


def test_headers_of_files_stay_one_line(marked: World) -> None:
    """Names of files to keep come from names of projects."""
    Project.objects.update(name='a"\r\nSet-Cookie: x=y\r\n\r\n<b>')
    client = Client()
    client.force_login(marked.owner)
    for path in ("zip/", "frames/1/image/"):
        response = client.get(f"/projects/{marked.project.pk}/{path}")
        assert response.status_code == 200
        assert "x" not in response.cookies
        disposition = response.headers["Content-Disposition"]
        assert disposition.isprintable()
        assert set(disposition) & set('"<>\r\n') == set()
