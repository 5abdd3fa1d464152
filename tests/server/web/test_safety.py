"""Headers, forged requests, injected markup, sessions, and attempts at passwords."""

import re

from django.test import Client
from lxml import html

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.throttle import MAX_PER_ACCOUNT, record_failure
from tests.server.web.test_permissions import TABLE, filled
from tests.server.web.world import World

PASSWORD = "quiet-meadow-7"
PUBLIC = ("/", "/help/", "/nothing/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
OWN = ("/accounts/email/", "/accounts/password/change/", "/accounts/2fa/")
ATTACK = "\"><script>alert(1)</script>'<img src=x onerror=alert(1)>"


def _pages(world: World) -> list[str]:
    pages = [filled(row.path, world) for row in TABLE if row.form is None and "live" not in row.path]
    return [*PUBLIC, *OWN, *pages]


def _admin(world: World) -> Client:
    client = Client()
    admin = world.people["admin"]
    assert admin is not None
    client.force_login(admin)
    return client


def test_every_answer_forbids_foreign_content_and_framing(world: World) -> None:
    client = _admin(world)
    for path in _pages(world):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'; "), path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path


def test_no_page_has_scripts_or_styles_of_its_own_or_anything_from_elsewhere(world: World) -> None:
    client = _admin(world)
    for path in _pages(world):
        if text := _html(client, path):
            assert _foreign(html.fromstring(text)) == [], path


def _html(client: Client, path: str) -> str:
    """The page; empty for what is none."""
    response = client.get(path)
    return response.content.decode() if response.headers["Content-Type"].startswith("text/html") else ""


def _foreign(page: html.HtmlElement) -> list[str]:
    found = [script.text for script in page.iter("script") if script.get("src") is None and not _is_data(script)]
    found += [html.tostring(node).decode() for node in page.iter("style")]
    for node in page.iter(html.etree.Element):
        found += [name for name in node.attrib if name == "style" or name.startswith("on")]
        found += [address for name in ("src", "href") if re.match(r"(https?:)?//", address := node.get(name, ""))]
    return found


def _is_data(script: html.HtmlElement) -> bool:
    return script.get("type") == "application/json"


def test_no_form_is_taken_without_its_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.owner)
    forms = [row for row in TABLE if row.form is not None]
    answers = {str(row): client.post(filled(row.path, world), row.form).status_code for row in forms}
    assert {row: status for row, status in answers.items() if status != 403} == {}
    assert "Load its page again" in client.post("/theme/").content.decode()


def test_names_never_become_markup(world: World) -> None:
    world.project.name = world.group.name = world.machine.name = world.owner.username = ATTACK[:100]
    for row in (world.project, world.group, world.machine, world.owner):
        row.save()
    client, seen = _admin(world), 0
    for path in _pages(world):
        text = _html(client, path)
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        seen += "&lt;script&gt;alert" in text
    assert seen > 10


def test_a_log_is_plain_text(world: World) -> None:
    response = _admin(world).get(f"/admin/errors/{world.report.pk}/log/")
    assert response.content == b"<script>alert(1)</script> crashed"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_signing_in_gives_a_new_session(db: None) -> None:
    create_user(username="ada", password=PASSWORD)
    client = Client()
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    before = client.cookies["sheepfold_site"].value
    assert client.post("/accounts/login/", {"login": "ada", "password": PASSWORD}).status_code == 302
    assert client.cookies["sheepfold_site"].value != before


def test_after_too_many_attempts_even_the_right_password_is_refused(db: None) -> None:
    create_user(username="ada", password=PASSWORD)
    client = Client()
    for _ in range(MAX_PER_ACCOUNT - 1):
        record_failure(account="ada", address="192.0.2.1", now=now())
    client.post("/accounts/login/", {"login": "ada", "password": "guess"})
    response = client.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    assert response.status_code == 200
    assert "Too many attempts" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_switch_of_look_never_leads_to_another_site(db: None) -> None:
    response = Client().post("/theme/", {"theme": "dark", "next": "https://elsewhere.example/"})
    assert response.headers["Location"] == "/"
    assert response.cookies["sheepfold_theme"].value == "dark"


def test_changing_the_password_ends_other_sessions(db: None) -> None:
    user = create_user(username="ada", password=PASSWORD)
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    form = {"oldpassword": PASSWORD, "password1": "another-meadow-8", "password2": "another-meadow-8"}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert here.get("/projects/").status_code == 200
    assert elsewhere.get("/projects/").status_code == 302
    assert User.objects.get(pk=user.pk).check_password("another-meadow-8")
