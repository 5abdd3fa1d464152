"""No secret reaches a log."""

import json
import os
import subprocess
import sys

import pytest

from sheepfold.server.core.redaction import hide, hide_in_text

SECRET = "wOOl&hay"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "/server/config.php?login=bo&password=p%26q&version=1",
            "/server/config.php?login=hidden&password=hidden&version=1",
        ),
        ("GET /x?extras=abc HTTP/1.1", "GET /x?extras=hidden HTTP/1.1"),
        ("{'password': 'it\\'s me', 'frame': 3}", "{'password': 'hidden', 'frame': 3}"),
        ('{"token": "abc"}', '{"token": "hidden"}'),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: hidden\nHost: x"),
        ("authorization: Bearer abc.def", "authorization: hidden"),
        ("[(b'cookie', b'a=b')]", "[(b'cookie', b'hidden')]"),
        ("url=%2Fup%3Fextras%3Dabc%26job%3D2", "url=%2Fup%3Fextras%3Dhidden%26job%3D2"),
        ("/s/kq3Zr-Ww0_kq3Zr-Ww0_kq3Zr-Ww0_kq3Zr-Ww0_abc/frames/1/", "/s/hidden/frames/1/"),
        ("/ab/" + "0f" * 31, "/ab/" + "0f" * 31),
        ("X-Amz-Signature=0123&x=1", "X-Amz-Signature=hidden&x=1"),
        ("monkey=banana keyboard=qwerty frame=3", "monkey=banana keyboard=qwerty frame=3"),
    ],
)
def test_a_secret_inside_a_text_is_hidden_and_the_rest_stays(text: str, shown: str) -> None:
    assert hide_in_text(text) == shown


def test_fields_are_hidden_at_any_depth_and_numbers_stay_numbers() -> None:
    event = {"request": {"login": "bo", "frames": [1, 2], "headers": [("Cookie", "a=b"), b"key=abc"]}, "ms": 1.5}
    assert hide(event) == {
        "request": {"login": "hidden", "frames": [1, 2], "headers": [["Cookie", "a=b"], "key=hidden"]},
        "ms": 1.5,
    }


PROGRAM = """
import logging, structlog
from sheepfold.server.core.logs import configure_logs, request_id
configure_logs()
log = structlog.get_logger()
with request_id("abc123"):
    log.info("asked", path="/server/config.php?login=bo&password=SECRET", password="SECRET", frame=3)
    logging.getLogger("some.library").warning("refused %s", "Cookie: session=SECRET")
    try:
        raise ValueError("password=SECRET")
    except ValueError:
        log.exception("broken")
log.info("done")
"""


def test_a_process_logs_json_lines_with_request_ids_and_no_secret() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("SECRET", "wOOlandhay")],
        capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line.get("request") for line in lines] == ["abc123", "abc123", "abc123", None]
    assert [line["event"] for line in lines] == ["asked", "refused Cookie: hidden", "broken", "done"]
    assert (lines[0]["password"], lines[0]["frame"]) == ("hidden", 3)
    assert "ValueError: password=hidden" in lines[2]["exception"]
    assert "wOOlandhay" not in done.stderr
