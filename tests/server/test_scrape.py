"""What `/metrics` counts of a machine's life, and who may read it."""

import httpx2
import pytest

from sheepfold.server.accounts.actions import create_user
from sheepfold.server.core.config import config
from sheepfold.server.pipeline.farm_numbers import write_numbers
from tests.server.conftest import Server
from tests.server.farm import NOON, make_project
from tests.server.node_api.machine import Machine, png

TOKEN = "shears-in-the-barn"


def samples(server: Server) -> dict[str, float]:
    answer = httpx2.get(f"{server.url}/metrics")
    assert answer.status_code == 200
    lines = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_every_answer_to_a_machine_is_counted_once(server: Server) -> None:
    create_user(username="shepherd", password="secret")
    make_project(tiles=2)
    before = samples(server)

    machine = Machine(server)
    machine.config()
    Machine(server, password="wrong").config()
    job = machine.job()
    machine.beat(job)
    assert machine.upload(job, png()) == 0
    machine.upload(machine.job(), b"no picture")
    write_numbers(now=NOON)

    after = samples(server)
    risen = {name: value - before.get(name, 0) for name, value in after.items()}
    expected = {
        'sheepfold_logins_total{answer="ok"}': 1,
        'sheepfold_logins_total{answer="authentication_failed"}': 1,
        'sheepfold_work_total{answer="ok"}': 2,
        'sheepfold_heartbeats_total{answer="ok"}': 1,
        'sheepfold_uploads_total{answer="not_an_image"}': 1,
        'sheepfold_uploads_total{answer="ok"}': 1,
        'sheepfold_node_request_seconds_count{endpoint="config",status="200"}': 2,
        'sheepfold_node_request_seconds_count{endpoint="request_job",status="200"}': 2,
        'sheepfold_node_request_seconds_count{endpoint="send_frame",status="200"}': 2,
    }
    assert {name: risen.get(name) for name in expected} == expected
    assert risen["sheepfold_group_requests_count"] == risen["sheepfold_group_commit_seconds_count"]
    assert (after["sheepfold_live_sessions"], after["sheepfold_open_leases"]) == (1, 0)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
def test_who_comes_through_a_proxy_finds_no_metrics(server: Server, header: str) -> None:
    answer = httpx2.get(f"{server.url}/metrics", headers={header: "203.0.113.7"})
    assert (answer.status_code, answer.text) == (404, "Not Found")


def test_the_token_opens_them_through_a_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHEEPFOLD_METRICS_TOKEN", TOKEN)
    config.cache_clear()
    try:
        statuses = [
            httpx2.get(
                f"{server.url}/metrics", headers={"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {token}"}
            ).status_code
            for token in (TOKEN, f"{TOKEN}x", "-")
        ]
    finally:
        monkeypatch.undo()
        config.cache_clear()
    assert statuses == [200, 404, 404]
