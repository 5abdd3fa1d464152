"""Mutated requests of every endpoint for machines: never a 5xx, never a stack trace, nothing left behind.

The requests are those of real machines, with parameters dropped, doubled or replaced, and bodies cut and changed.
"""

import http.client
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sheepfold.protocol.codes import UploadStatus
from sheepfold.server.accounts.actions import create_render_key, create_user
from sheepfold.server.core.config import config
from sheepfold.server.node_api.app import ENDPOINTS
from tests.server.conftest import Server
from tests.server.farm import make_project
from tests.server.node_api.machine import HARDWARE, Machine, png

EXAMPLES = 120  # a test

BOUNDARY = "***232404jkg4220957934FW**"
MULTIPART = f"multipart/form-data;boundary={BOUNDARY}"
FORM = "application/x-www-form-urlencoded"
NASTY = (
    b"", b"0", b"-1", b"1", b"1.5", b" 1 ", b"9" * 40, b"1e309", b"nan", b"-0", b"\x00", b"\xff\xfe", b"\xd9\xa3",
    b"A" * 5000, b"<x/>", b"../../etc/passwd", b"%00%", b"';--", b"true", b"2147483648", b"\r\nX: y", "é☃".encode(),
)  # fmt: skip
GOOD = {
    "login": "shepherd",
    "password": "secret",
    **HARDWARE,
    "computemethod": "1",
    "type": "job",
    "job": "1000",
    "frame": "0001",
    "revision": "0",
    "rendertime": "7",
    "remainingtime": "3",
    "render_time": "7",
    "memoryused": "1000",
    "extras": "token",
    "cpu_cores": "4",
    "ram_max": "1000000",
    "open_leases": "a,b",
    "chunk": "d41d8cd98f00b204e9800998ecf8427e",
    "paused": "true",
    "hwid": "box",
}
CACHE = b'<cache><file md5="d41d8cd98f00b204e9800998ecf8427e"/></cache>'
FILE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file";filename="1000_0001.png"\r\n\r\n'.encode()
    + png()
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)


@dataclass(frozen=True)
class Attack:
    """One mutated request; `own_lease` lets it name a tile that the machine really renders."""

    method: str
    path: str
    params: tuple[tuple[bytes, bytes], ...]
    content_type: str
    body: bytes
    with_cookie: bool
    own_lease: bool

    def target(self) -> str:
        """Path and query as they travel."""
        return f"{self.path}?{'&'.join(f'{quote_plus(name)}={quote_plus(value)}' for name, value in self.params)}"


def _mutated(body: bytes) -> st.SearchStrategy[bytes]:
    """The body itself, cut, with bytes changed, or twice."""
    at = st.integers(0, len(body) - 1)
    cut = at.map(lambda index: body[:index])
    changed = st.tuples(at, st.integers(0, 255)).map(lambda one: body[: one[0]] + bytes([one[1]]) + body[one[0] + 1 :])
    return st.one_of(st.just(body), cut, changed, st.just(body + body))


good_params = st.sampled_from(sorted(GOOD)).map(lambda name: (name.encode(), GOOD[name].encode()))
nasty_params = st.tuples(st.sampled_from([name.encode() for name in GOOD]), st.sampled_from(NASTY))
odd_params = st.tuples(st.binary(max_size=10), st.binary(max_size=20))
attacks = st.builds(
    Attack,
    method=st.sampled_from(("GET", "POST")),
    path=st.sampled_from(sorted(ENDPOINTS)),
    params=st.lists(st.one_of(good_params, good_params, nasty_params, odd_params), max_size=30).map(tuple),
    content_type=st.sampled_from(
        (FORM, MULTIPART, "text/xml", "multipart/form-data", "", "multipart/form-data;boundary=")
    ),
    body=st.one_of(
        st.just(b""), st.binary(max_size=200), _mutated(CACHE), _mutated(FILE), st.just(b"a=b&login=shepherd")
    ),
    with_cookie=st.booleans(),
    own_lease=st.booleans(),
)
complete_sessions = st.builds(
    Attack,
    method=st.sampled_from(("GET", "POST")),
    path=st.just("/server/config.php"),
    params=st.lists(nasty_params, max_size=2).map(
        lambda nasty: tuple(({name.encode(): value.encode() for name, value in GOOD.items()} | dict(nasty)).items())
    ),
    content_type=st.just(FORM),
    body=st.just(b""),
    with_cookie=st.booleans(),
    own_lease=st.just(False),
)
complete_uploads = st.builds(
    Attack,
    method=st.just("POST"),
    path=st.sampled_from(("/server/send_frame.php", "/server/error.php", "/server/keepmealive.php")),
    params=st.lists(nasty_params, max_size=2).map(tuple),
    content_type=st.just(MULTIPART),
    body=_mutated(FILE),
    with_cookie=st.booleans(),
    own_lease=st.just(True),
)
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def machine(server: Server) -> Machine:
    """Logged in, with more work than it will do."""
    user = create_user(username="shepherd", password=None)
    make_project(tiles=2000, owner=user)
    _, key = create_render_key(user=user, name="box")
    machine = Machine(server, password=key)
    machine.config()
    return machine


@pytest.fixture(autouse=True)
def nothing_left(exceptions: list[str]) -> Iterator[None]:
    """No exception reached the log, and no temporary file stays."""
    yield
    assert exceptions == []
    assert list(config().tmp_dir.iterdir()) == []


@fuzzed
@given(attack=attacks)
def test_any_request_gets_an_answer_that_is_no_failure_of_the_farm(machine: Machine, attack: Attack) -> None:
    assert _status(machine, attack) < 500


@fuzzed
@given(attack=complete_sessions)
def test_session_requests_with_one_or_two_odd_values(machine: Machine, attack: Attack) -> None:
    assert _status(machine, attack) == 200


@fuzzed
@given(attack=complete_uploads)
def test_requests_about_a_real_lease_with_odd_values_and_changed_files(machine: Machine, attack: Attack) -> None:
    assert _status(machine, attack) in (200, 413)


def test_the_farm_goes_on_after_all_that(machine: Machine) -> None:
    for attack in (_example(path) for path in sorted(ENDPOINTS)):
        assert _status(machine, attack) < 500
    machine.config()
    assert machine.upload(machine.job(), png(seed=9)) == UploadStatus.OK


def _example(path: str) -> Attack:
    return Attack("POST", path, tuple((name.encode(), b"\0") for name in GOOD), MULTIPART, FILE[:60], True, False)


def _status(machine: Machine, attack: Attack) -> int:
    """Send it; the HTTP status. A lease that the attack used up is replaced by the next."""
    if attack.own_lease:
        machine.config()
        job = machine.job()
        words = {
            b"job": b"%d" % job.id,
            b"frame": b"%d" % job.frame,
            b"extras": job.extras.encode(),
            b"rendertime": b"7",
        }
        attack = replace(attack, params=tuple({**words, **dict(attack.params)}.items()))
    connection = http.client.HTTPConnection(machine.server.host, machine.server.port, timeout=30)
    headers = {"Content-Type": attack.content_type} | ({"Cookie": machine.cookie} if attack.with_cookie else {})
    connection.request(attack.method, attack.target(), attack.body, headers)
    status = connection.getresponse().status
    connection.close()
    return status
