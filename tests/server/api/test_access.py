import pytest
from django.test import Client

from sheepfold.server.accounts.actions import revoke_api_token
from sheepfold.server.accounts.models import ApiToken, User
from sheepfold.server.api.endpoints import ENDPOINTS
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.server.api.conftest import Program
from tests.server.farm import NOON, make_project, statuses

NO_TOKEN = {"error": "send a token as `Authorization: Bearer …`; the site makes one under Account"}
ADDRESSES = [(one.method, one.path) for one in ENDPOINTS]


def _address(path: str, project: int) -> str:
    known = {"<int:project_id>": str(project), "<int:frame>": "1", "<str:upload_id>": "0" * 32}
    for parameter, value in known.items():
        path = path.replace(parameter, value)
    return f"/api/{path}"


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_nothing_is_told_without_a_token(method: str, path: str) -> None:
    response = Client().generic(method, _address(path, 1), "{}", content_type="application/json")
    assert (response.status_code, response.json()) == (401, NO_TOKEN)
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [one for one in ADDRESSES if "project_id" in one[1]])
def test_a_stranger_gets_404_and_changes_nothing(stranger: Program, method: str, path: str) -> None:
    project = make_project(tiles=2)
    before = Project.objects.values().get(pk=project.pk), statuses(project)
    body = '{"frames": "1"}' if path.endswith(("rerender", "extend")) else "{}"
    response = stranger.client.generic(method, _address(path, project.pk), body, content_type="application/json")
    assert (response.status_code, response.json()) == (404, {"error": "there is no such project"})
    assert (Project.objects.values().get(pk=project.pk), statuses(project)) == before


def test_a_revoked_token_counts_no_more(program: Program) -> None:
    revoke_api_token(token=ApiToken.objects.get(user=program.user), now=NOON)
    assert program.get("me") == (401, NO_TOKEN)


def test_another_method_is_told_what_to_use(program: Program) -> None:
    assert program.post("me") == (405, {"error": "use GET here"})


def test_people_are_added_by_admins_only(program: Program, admin: Program) -> None:
    body = {"username": "new", "password": "a long enough one"}
    assert program.post("users", body) == (404, {"error": "there is no such thing"})
    assert not User.objects.filter(username="new").exists()
    assert admin.post("users", body) == (200, {"username": "new", "admin": False, "points": 0.0})
    assert User.objects.get(username="new").check_password("a long enough one")


def test_a_weak_password_is_refused(admin: Program) -> None:
    status, answer = admin.post("users", {"username": "new", "password": "short"})
    assert (status, answer["error"][:26]) == (422, "This password is too short")
    assert not User.objects.filter(username="new").exists()


def test_keys_for_others_are_made_by_admins_only(program: Program, admin: Program) -> None:
    body = {"name": "box", "user": "owner"}
    assert program.post("keys", {"name": "box", "user": "boss"}) == (404, {"error": "there is no user boss"})
    status, answer = admin.post("keys", body)
    assert (status, answer["user"], len(answer["secret"])) == (200, "owner", 43)
    assert program.user.render_keys.count() == 1


def test_a_body_that_does_not_fit_is_named(program: Program) -> None:
    assert program.post("keys", {"name": 7}) == (422, {"error": "name: Input should be a valid string"})
    assert program.user.render_keys.count() == 0


def test_a_body_that_is_no_json_is_refused(program: Program) -> None:
    response = program.client.post("/api/keys", "{", content_type="application/json")
    assert response.status_code == 422
    assert response.json()["error"].startswith("Invalid JSON")


def test_a_body_without_end_is_refused(program: Program) -> None:
    response = program.client.post("/api/keys", " " * 100_000, content_type="application/json")
    assert (response.status_code, response.json()) == (422, {"error": "the body is longer than 65536 bytes"})


def test_the_document_names_every_endpoint(db: None) -> None:
    document = Client().get("/api/openapi.json").json()
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert len(listed) == len(ENDPOINTS)
    assert ("GET", "/api/projects/{project_id}/frames/{frame}") in listed
    kinds = document["paths"]["/api/uploads/{upload_id}"]["get"]["parameters"]
    assert kinds == [{"name": "upload_id", "in": "path", "required": True, "schema": {"type": "string"}}]


def test_a_paused_project_cannot_be_paused_again(program: Program) -> None:
    project = make_project(owner=program.user, status=ProjectStatus.PAUSED)
    status, answer = program.post(f"projects/{project.pk}/pause")
    assert (status, answer) == (
        409,
        {"error": "the project is paused; this is possible only while it is rendering"},
    )


def test_an_address_that_is_none_is_told_in_json(program: Program) -> None:
    for path in ("", "nothing", "projects/-1", "projects/1/nothing/", "me/"):
        answer = {"error": "there is nothing at this address; see /api/openapi.json"}
        assert (path, program.get(path), program.post(path)) == (path, (404, answer), (404, answer))
