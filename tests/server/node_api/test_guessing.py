"""Guessing passwords is slowed down; guessing 256 random bits is hopeless and costs the farm a look into an index.

Requests that are sent again, by mistake or by somebody who listened, change nothing that they have not changed before.
"""

from urllib.parse import urlencode

import httpx2
import pytest

from sheepfold.protocol.codes import ConfigStatus, UploadStatus, WorkStatus
from sheepfold.server.accounts.actions import create_api_token, create_render_key, create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.core.clock import now
from sheepfold.server.core.throttle import MAX_PER_ACCOUNT, MAX_PER_ADDRESS, record_failure
from tests.server.conftest import Server
from tests.server.farm import make_project
from tests.server.node_api.machine import Machine, png
from tests.server.node_api.world import changes, count_everything

HERE = "127.0.0.1"


@pytest.fixture
def user(transactional_db: None) -> User:
    return create_user(username="shepherd", password="secret")


@pytest.fixture
def guesser(server: Server, user: User) -> Machine:
    return Machine(server, password="guess")


def status(machine: Machine) -> int:
    return int(machine.config()[1].status)


def test_an_account_cannot_be_tried_for_ever_from_any_address(server: Server, guesser: Machine, user: User) -> None:
    for number in range(MAX_PER_ACCOUNT - 1):
        record_failure(account="shepherd", address=f"192.0.2.{number}", now=now())
    assert status(guesser) == ConfigStatus.AUTHENTICATION_FAILED
    before = count_everything()

    assert status(Machine(server)) == ConfigStatus.AUTHENTICATION_FAILED
    assert changes(before) == {}
    _, key = create_render_key(user=user, name="box")
    assert status(Machine(server, password=key)) == ConfigStatus.OK


def test_an_address_cannot_try_account_after_account(server: Server, guesser: Machine) -> None:
    for number in range(MAX_PER_ADDRESS - 1):
        record_failure(account=f"somebody{number}", address=HERE, now=now())
    assert status(guesser) == ConfigStatus.AUTHENTICATION_FAILED

    assert status(Machine(server)) == ConfigStatus.AUTHENTICATION_FAILED


def test_the_site_and_the_machines_share_one_count(server: Server, user: User) -> None:
    for _ in range(MAX_PER_ACCOUNT):
        record_failure(account="shepherd", address=HERE, now=now())
    with httpx2.Client(base_url=server.url) as client:
        token = client.get("/accounts/login/").cookies["csrftoken"]
        form = {"login": "shepherd", "password": "secret", "csrfmiddlewaretoken": token}
        answer = client.post("/accounts/login/", data=form)
    assert (answer.status_code, "Too many attempts" in answer.text) == (200, True)
    assert status(Machine(server)) == ConfigStatus.AUTHENTICATION_FAILED


def test_an_address_that_a_client_claims_is_not_believed(server: Server, guesser: Machine) -> None:
    for _ in range(MAX_PER_ADDRESS):
        record_failure(account="x", address=HERE, now=now())
    params = urlencode({"login": "shepherd", "password": "secret", **guesser.hardware})
    claims = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
    answer = guesser.request("GET", f"/server/config.php?{params}", headers=claims)
    assert b'status="102"' in answer.body


def test_guessed_tokens_are_refused_one_like_the_other_and_leave_nothing(server: Server, user: User) -> None:
    _, token = create_api_token(user=user, name="script")
    before = count_everything()
    guesses = [token[:-1], token + "a", token.swapcase(), "a" * 43, "é", "a" * 5000, "%"]
    answers = {ask_api(server, guess) for guess in guesses}
    refused = "send a token as `Authorization: Bearer …`; the site makes one under Account"
    assert answers == {(401, refused)}
    assert changes(before) == {}
    assert ask_api(server, token) == (200, None)


def ask_api(server: Server, token: str) -> tuple[int, str | None]:
    headers = {"Authorization": f"Bearer {token}".encode()}
    answer = httpx2.get(f"{server.url}/api/me", headers=headers)
    return answer.status_code, answer.json().get("error")


def test_guessed_sessions_and_leases_reach_nothing(server: Server, user: User) -> None:
    make_project(tiles=2, owner=user)
    machine = Machine(server)
    machine.config()
    job = machine.job()
    before = count_everything()
    cookie = machine.cookie.partition(";")[0]
    for guess in (cookie[:-1], cookie + "a", cookie.swapcase(), "sheepfold=" + "a" * 43):
        assert Machine(server, cookie=guess).ask().status == WorkStatus.SESSION_DEAD
    for guess in (job.extras[:-1], job.extras.swapcase(), "a" * 43):
        assert machine.upload(job, png(), extras=guess) == UploadStatus.SESSION_DISABLED
    assert changes(before) == {}


def test_requests_that_come_twice_change_nothing_the_second_time(server: Server, user: User) -> None:
    """All but a login, which opens a session each time, and an error report, which is kept each time."""
    make_project(tiles=3, owner=user)
    machine = Machine(server)
    machine.config()
    job = machine.job()
    picture = png()
    assert machine.beat(job, rendertime="5") == 0
    before = count_everything()
    assert machine.beat(job, rendertime="5") == 0
    assert changes(before) == {}
    assert machine.upload(job, picture) == UploadStatus.OK
    before = count_everything()
    assert machine.upload(job, picture) == UploadStatus.OK
    assert machine.upload(job, b"something else") == UploadStatus.OK
    assert machine.upload_to_validation_url(job, picture) == UploadStatus.OK
    assert changes(before) == {}
    machine.request("GET", "/server/logout.php")
    before = count_everything()
    machine.request("GET", "/server/logout.php")
    assert machine.ask().status == WorkStatus.SESSION_DEAD
    assert machine.upload(job, picture) == UploadStatus.OK
    assert changes(before) == {}
