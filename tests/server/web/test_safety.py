"""Headers, forged requests, injected markup, sessions, and attempts at passwords."""

import re
from datetime import timedelta

from allauth.mfa.totp.internal import auth as totp
from django.test import Client
from lxml import html

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.throttle import MAX_PER_ACCOUNT, forget_failures, record_failure
from tests.server.web.test_permissions import TABLE, filled
from tests.server.web.world import World

PASSWORD = "quiet-meadow-7"
PUBLIC = ("/", "/help/", "/nothing/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
OWN = ("/accounts/email/", "/accounts/password/change/", "/accounts/2fa/")


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


def test_another_way_to_write_the_name_gives_no_more_attempts(db: None) -> None:
    create_user(username="ada", password=PASSWORD)
    for name in ("Ada", "ADA ", "aDA", " ada"):
        for _ in range(MAX_PER_ACCOUNT // 4):
            record_failure(account=name, address="192.0.2.1", now=now())
    response = Client().post("/accounts/login/", {"login": "adA", "password": PASSWORD})
    assert "Too many attempts" in response.content.decode()


def test_the_second_factor_cannot_be_tried_for_ever(db: None) -> None:
    user, secret = create_user(username="ada", password=PASSWORD), totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    good = totp.format_hotp_value(totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time())))
    wrong = f"{(int(good) + 500_000) % 1_000_000:06d}"
    for _ in range(MAX_PER_ACCOUNT - 1):
        record_failure(account=f"second factor of {user.pk}", address="192.0.2.1", now=now())
    client = Client()
    assert "2fa" in client.post("/accounts/login/", {"login": "ada", "password": PASSWORD}).headers["Location"]
    tries = [client.post("/accounts/2fa/authenticate/", {"code": code}).content.decode() for code in (wrong, good)]
    assert ["Too many attempts" in page for page in tries] == [False, True]
    assert "_auth_user_id" not in client.session
    forget_failures(now=now() + timedelta(hours=1))
    assert client.post("/accounts/2fa/authenticate/", {"code": good}).status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)


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
