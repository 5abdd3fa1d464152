"""No secret of a request reaches the log or the metrics: every endpoint is asked with marked ones, in every place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from django.urls import URLPattern, URLResolver

from sheepfold.server.api.endpoints import ENDPOINTS as API
from sheepfold.server.core.redaction import SECRET_FIELDS
from sheepfold.server.node_api.app import ENDPOINTS as NODE_API
from sheepfold.server.urls import urlpatterns
from tests.conftest import EmptyFarm
from tests.e2e.running import FarmProcess

pytestmark = pytest.mark.database

SECRET = "wOOlmark-" * 5  # as long as a real one
FIELDS = {name: SECRET for name in SECRET_FIELDS if name.isidentifier()}
HEADERS = {
    "Cookie": f"sheepfold={SECRET}; sheepfold_site={SECRET}",
    "Authorization": f"Bearer {SECRET}",
    "X-CSRFToken": SECRET,
}
ODD_HEADERS = {"X-Request-ID": SECRET, "X-Forwarded-For": SECRET, "User-Agent": SECRET}


@pytest.fixture
def farm(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = FarmProcess(empty_farm, tmp_path / "log", {"SHEEPFOLD_METRICS_TOKEN": SECRET})
    farm.start()
    yield farm
    farm.stop()


def test_marked_secrets_are_in_no_log_line_and_no_metric(farm: FarmProcess) -> None:
    paths = [*NODE_API, *(f"/api/{endpoint.path}" for endpoint in API), *site_paths(urlpatterns)]
    assert len(paths) > 80
    with httpx2.Client(base_url=farm.url, headers=HEADERS, timeout=60) as client:
        for path in paths:
            target = re.sub(r"<str:\w+>", SECRET, re.sub(r"<int:\w+>", "1", path))
            ask(client, target)
            client.cookies.clear()
        metrics = httpx2.get(f"{farm.url}/metrics").text
    farm.stop()

    log = farm.log.read_text()
    farm.start()
    assert "wOOlmark" not in metrics
    assert [line for line in log.splitlines() if "wOOlmark" in line] == []
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    logged = {line["path"] for line in lines if line["event"] == "request"}
    assert {"/api/keys", "/s/hidden/", "/first-run/hidden/", "/accounts/login/"} <= logged
    assert 'sheepfold_node_request_seconds_count{endpoint="config",status="200"} 4.0' in metrics


def ask(client: httpx2.Client, target: str) -> None:
    """In the query, as a form, as a file's fields, as JSON, and with odd headers.

    No answer is a failure of ours, and no refusal in plain words or JSON repeats what was sent.
    """
    answers = [
        client.get(target, params=FIELDS),
        client.post(target, data=FIELDS),
        client.post(target, data=FIELDS, files={"file": (SECRET, b"no picture")}),
        client.post(target, json=FIELDS, headers=ODD_HEADERS),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == [], target
    # pages may show again what their form was sent; what a machine or a program is told gets into logs elsewhere
    told = [one for one in answers if one.status_code >= 400 and "html" not in one.headers.get("Content-Type", "")]
    assert [answer.text for answer in told if "wOOlmark" in answer.text] == []


def site_paths(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    """Every path of the site, with its parameters as they are written there."""
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from site_paths(pattern.url_patterns, here)
        else:
            yield here.replace("^", "").replace("$", "")
