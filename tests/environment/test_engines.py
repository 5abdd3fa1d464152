"""PostgreSQL and S3 end with whoever asked for them."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from sheepfold.environment.engines import Engines, engines
from tests.e2e.running import wait_until

ASKS = """
import json, signal
from dataclasses import asdict
from sheepfold.environment.engines import engines
with engines() as found:
    print(json.dumps(asdict(found)), flush=True)
    signal.pause()
"""


def test_both_are_there_while_the_body_runs_and_gone_after_it() -> None:
    with engines() as found:
        assert psycopg.connect(found.database).execute("SELECT 1").fetchone() == (1,)
        assert answers(found)
    assert is_gone(found)


def test_both_end_when_the_one_who_asked_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ASKS], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        found = Engines(**json.loads(asking.stdout.readline()))
        assert answers(found)
        asking.kill()
    wait_until(lambda: is_gone(found), "the engines end")


def answers(found: Engines) -> bool:
    parts = urlsplit(found.endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/farm")
        return connection.getresponse().status == 403
    except OSError:
        return False
    finally:
        connection.close()


def is_gone(found: Engines) -> bool:
    """Nothing listens, and no file is left."""
    if answers(found) or Path(found.folder).exists():
        return False
    try:
        psycopg.connect(found.database).close()
    except psycopg.OperationalError:
        return True
    return False
