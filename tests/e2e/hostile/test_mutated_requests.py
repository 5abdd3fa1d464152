"""Ten thousand changed requests of eleven generations against a real farm.

Never a 5xx, never a stack trace in an answer or in the log, no answer that its client could not read, no memory,
file or connection that stays behind.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2
import psutil
import pytest
from lxml import etree

from sheepfold.protocol import codec
from sheepfold.protocol.codes import ConfigStatus, HeartbeatStatus, UploadStatus, WorkStatus
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.server.node_api.app import ENDPOINTS
from tests.conftest import ON_POSTGRESQL, EmptyFarm
from tests.e2e.books import open_books
from tests.e2e.hostile.exchange import Answer, Line, Request, parse
from tests.e2e.hostile.mutations import broken, mutated
from tests.e2e.hostile.processes import web_process
from tests.e2e.running import FarmProcess, run_python
from tests.server.node_api import conversation

pytestmark = pytest.mark.database

REQUESTS = 4_000 if ON_POSTGRESQL else 10_000  # what the database has to do with them differs little
WARM_UP = 2_500  # of them, before memory is measured: by then every module is loaded and every cache is full
GENERATIONS = tuple(one for one in Generation if one is not Generation.UNKNOWN)
LIFE = 10  # requests between two honest logins of a generation: one to each endpoint
GROWTH = 8 << 20  # bytes of the web process from the warm-up to the end

ORDER = (  # what ends the lease or the session comes last
    b"archive", b"binary", b"chunk", b"request_job", b"keepmealive", b"speedtest", b"send_frame", b"error", b"config",
    b"logout",
)  # fmt: skip
DECODERS: dict[bytes, Callable[[bytes], Any]] = {
    b"config": codec.decode_session_answer,
    b"request_job": codec.decode_work_answer,
    b"send_frame": codec.decode_upload_answer,
    b"keepmealive": codec.decode_heartbeat_answer,
    b"error": codec.decode_error_answer,
    b"logout": etree.fromstring,
    b"speedtest": etree.fromstring,
}
STATUSES = {
    b"config": ConfigStatus,
    b"send_frame": UploadStatus,
    b"keepmealive": HeartbeatStatus,
}


@dataclass
class Attacker:
    """Everything that one generation of clients is recorded to send, its endpoints filled up from the others."""

    generation: Generation
    line: Line
    key: str
    random: Random
    recorded: list[bytes]
    cookie: bytes = b""
    token: bytes = b""
    frame: bytes = b"0001"
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    secrets: set[str] = field(default_factory=set)  # cookies and tokens that the farm has handed out

    def attack(self, count: int) -> None:
        """Send changed requests; an honest life begins anew every now and then."""
        by_endpoint = self._by_endpoint()
        for number in range(count):
            if number % LIFE == 0:
                self._live()
            name = ORDER[number % LIFE]
            request = self._filled(self.random.choice(by_endpoint[name]))
            if self.random.random() < 0.1:
                self._check(name, self.line.ask_and_end(broken(self.random, request.raw())))
                continue
            changed = mutated(self.random, request)
            if changed.header(b"transfer-encoding"):  # the farm waits for what never comes
                self._check(name, self.line.ask_and_end(changed.raw()))
                continue
            answer = self.line.ask(changed.raw(), is_head=changed.method == b"HEAD")
            assert answer is not None, changed
            self._check(name, answer)
            if changed.method != b"HEAD" and changed.path == request.path:
                self._read(name, changed, answer)

    def _by_endpoint(self) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        everything = [*self.recorded, *(one for other in GENERATIONS for one in requests_of(other))]
        for raw in everything:
            name = endpoint(raw)
            if name not in found or raw in self.recorded:
                found.setdefault(name, []).append(raw)
        return found

    def _live(self) -> None:
        """Log in and get a frame, as recorded."""
        login = self.line.ask(self._filled(self.recorded[0]).raw())
        assert login is not None
        cookie = re.match(r"sheepfold=([\w-]+);", login.cookie)
        assert cookie, (self.generation, login)
        self.cookie = cookie[1].encode()
        self.secrets.add(cookie[1])
        work = next(raw for raw in self.recorded if endpoint(raw) == b"request_job")
        answer = self.line.ask(self._filled(work.replace(b"{{token1}}", b"")).raw())
        assert answer is not None
        job = codec.decode_work_answer(answer.body).job
        assert job is not None, (self.generation, answer)
        self.token, self.frame = job.extras.encode(), b"%04d" % job.frame

    def _filled(self, raw: bytes) -> Request:
        """With what this farm has handed out."""
        names = {b"cookie": self.cookie, b"token1": self.token, b"token2": self.token, **conversation.FILES}
        for name, value in names.items():
            raw = raw.replace(b"{{" + name + b"}}", value)
        raw = re.sub(rb"\bframe=\d+", b"frame=" + self.frame, raw)
        raw = raw.replace(b"s3cret+%26+co", quote_plus(self.key).encode())
        return parse(raw.replace(b"s3cret%20%26%20co", self.key.encode()))

    def _check(self, name: bytes, answer: Answer | None) -> None:
        if answer is None:
            self.seen[name.decode(), 0] += 1
            return
        self.seen[name.decode(), answer.status] += 1
        assert answer.status in (200, 204, 206, 400, 401, 403, 404, 405, 413, 416), answer
        assert b"Traceback" not in answer.body
        assert b"site-packages" not in answer.body

    def _read(self, name: bytes, request: Request, answer: Answer) -> None:
        """What this generation makes of it."""
        if answer.status != 200 or name not in DECODERS:
            return
        assert answer.content_type.startswith("text/xml")
        read = DECODERS[name](answer.body)
        if name in STATUSES:
            assert read.status in set(STATUSES[name]), read
        if name == b"request_job" and self.cookie in request.header(b"cookie"):
            assert read.status in traits_of(self.generation).work_statuses | {WorkStatus.SESSION_DEAD}


def requests_of(generation: Generation) -> list[bytes]:
    """As recorded."""
    return [request for request, _ in conversation.read(generation)]


def endpoint(raw: bytes) -> bytes:
    """`config` of `GET /server/config.php?… HTTP/1.1`."""
    return raw.split(b" ")[1].partition(b"?")[0].rpartition(b"/")[2].removesuffix(b".php")


@pytest.fixture
def farm(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    farm = FarmProcess(empty_farm, tmp_path / "log")
    farm.start()
    yield farm
    farm.stop()


def test_ten_thousand_changed_requests(farm: FarmProcess) -> None:
    key = run_python(farm.farm, Path(__file__).with_name("fill.py"), "5000")
    parts = urlsplit(farm.url)
    attackers = [
        Attacker(one, Line(parts.hostname or "", parts.port or 0), key, Random(one.value), requests_of(one))
        for one in GENERATIONS
    ]
    web = web_process(farm)

    send(attackers, WARM_UP)
    before = web.memory_info().rss
    send(attackers, REQUESTS - WARM_UP)
    after = web.memory_info().rss

    seen = sum((one.seen for one in attackers), Counter())
    assert seen.total() == REQUESTS
    assert set(ORDER) == {endpoint(b"GET " + path.encode()) for path in ENDPOINTS}
    assert {name.decode() for name in ORDER} == {name for name, status in seen if status == 200}
    assert after - before < GROWTH, f"from {before >> 20} to {after >> 20} MiB"
    cookies = {secret for one in attackers for secret in one.secrets} | {key}
    tokens = {row[0] for row in open_books(farm.farm).rows("SELECT token FROM dispatch_lease")}
    check_log(farm.log)
    check_no_secret(cookies | tokens, farm.log.read_text() + httpx2.get(f"{farm.url}/metrics").text)
    check_no_secret(cookies, "".join(path.read_text("latin-1") for path in kept_files(farm.farm.data_dir)))
    check_that_nothing_stays(farm, web)


def send(attackers: list[Attacker], count: int) -> None:
    """All generations at once, `count` requests together."""
    shares = [count // len(attackers) + (number < count % len(attackers)) for number in range(len(attackers))]
    with ThreadPoolExecutor(len(attackers)) as threads:
        list(threads.map(Attacker.attack, attackers, shares))
    for one in attackers:
        one.line.close()


def check_log(log: Path) -> None:
    """No failure, and no stack trace: bad input is nothing that an operator has to read about."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line for line in lines if line["level"] in ("error", "critical") or "exception" in line] == []
    assert "Traceback" not in log.read_text()


def check_no_secret(secrets: set[str], text: str) -> None:
    """What lets somebody in is nowhere to be read."""
    assert len(secrets) > REQUESTS / LIFE / 2
    assert [secret for secret in secrets if secret in text] == []


def kept_files(data_dir: Path) -> list[Path]:
    """The database and everything else but blobs, and the token of this machine's own command line."""
    return [path for path in data_dir.iterdir() if path.is_file() and path.name not in ("secret", "local.json")]


def check_that_nothing_stays(farm: FarmProcess, web: psutil.Process) -> None:
    """No file, no broken promise; the next honest machine works."""
    assert [path for path in (farm.farm.data_dir / "tmp").iterdir() if path.name.startswith("upload-")] == []
    books = open_books(farm.farm)
    results = books.number("SELECT count(*) FROM results_result WHERE verdict = 'accepted'")
    assert results == books.done() > 0
    assert books.open_leases() == books.number("SELECT count(*) FROM frames_tile WHERE status = 1")
    assert [one.status for one in web.net_connections() if one.status == "ESTABLISHED" and one.raddr] == []
