"""Networks as they are: proxies, own certificates, portals, farms that moved, farms that are away."""

import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from seed_server import Call, SeedJob, SeedServer

from sheepfold.client.api import BadAnswerError, Connection, Farm, FarmError, UnreachableError
from sheepfold.client.config import Settings
from sheepfold.client.events import Waiting
from sheepfold.client.hardware import read_hardware
from sheepfold.client.session import Identity, LoginRefusedError, Session
from sheepfold.client.supply import ExitCode
from sheepfold.client.throttle import Throttle
from sheepfold.protocol.extras import Extras
from sheepfold.protocol.messages import WorkRequest

HTML = (200, "text/html; charset=utf-8", b"<html>Welcome to the hotel</html>")


def session_at(url: str, **connection: object) -> Session:
    identity = Identity("anna", "secret", "box", read_hardware(), 2, 1024, "GuiText")
    return Session(Farm(Connection(url, **connection)), identity, Extras())


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (HTML, BadAnswerError, "a web page answered instead of a farm"),
        ((404, "text/plain", b""), BadAnswerError, "HTTP 404"),
        ((403, "text/xml", b"<x/>"), BadAnswerError, "HTTP 403"),
        ((200, "text/xml", b"<config"), BadAnswerError, "cannot be read"),
        ((200, "text/xml", b'<config status="zero"/>'), BadAnswerError, "cannot be read"),
        ((500, "text/plain", b""), UnreachableError, "HTTP 500"),
        ((429, "text/plain", b""), UnreachableError, "HTTP 429"),
    ],
)
def test_answers_that_are_none(answer: object, error: type[FarmError], words: str) -> None:
    with SeedServer() as farm:
        session = session_at(farm.url)
        session.open()
        farm.answers["work"].append(answer)
        with pytest.raises(FarmError, match=words) as caught:
            session.request_work(WorkRequest())
        assert type(caught.value) is BadAnswerError or type(caught.value) is error


def test_portal_at_login_is_not_a_refusal(settings: Callable[..., Settings], start: Callable[..., object]) -> None:
    with SeedServer() as farm:
        farm.answers["config"].append(HTML)
        run = start(settings(farm.url))
        waiting = run.wait_for(Waiting)[0]
        assert "perhaps this network wants a login first" in waiting.reason
        assert 0.5 <= waiting.seconds <= 1.5
        assert run.stop() is ExitCode.OK


def test_farm_that_is_away_is_waited_for(settings: Callable[..., Settings], start: Callable[..., object]) -> None:
    run = start(settings("http://127.0.0.1:1"))
    assert "cannot be reached" in run.wait_for(Waiting)[0].reason
    assert run.stop() is ExitCode.OK


def test_moved_farm_is_named() -> None:
    class Moved(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(301)
            self.send_header("Location", "https://new.example/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Quiet."""

    with serving(Moved) as port, pytest.raises(BadAnswerError, match=r"moved to https://new\.example/"):
        session_at(f"http://127.0.0.1:{port}").open()


def test_refusal_names_the_reason() -> None:
    with SeedServer() as farm:
        farm.answers["config"].append(101)
        with pytest.raises(LoginRefusedError, match="too old"):
            session_at(farm.url).open()


def test_threads_log_in_again_only_once() -> None:
    with SeedServer() as farm:
        session = session_at(farm.url)
        session.open()
        seen = session.number
        threads = [threading.Thread(target=session.renew, args=(seen,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.number == seen + 1


def test_everything_goes_through_the_proxy(
    settings: Callable[..., Settings], start: Callable[..., object], script_renderer: bytes, job: Callable[..., SeedJob]
) -> None:
    passed: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, body: bytes | None) -> None:
            from urllib.request import Request

            passed.append(self.path)
            kept = {name: self.headers[name] for name in ("Content-Type", "Cookie") if name in self.headers}
            with urlopen(Request(self.path, body, kept, method=self.command)) as answer:
                content = answer.read()
                self.send_response(answer.status)
                for name in ("Content-Type", "Set-Cookie"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Quiet."""

    with SeedServer([job(1)]) as farm, serving(Proxy) as port:
        assert start(settings(farm.url, proxy=f"http://127.0.0.1:{port}", max_frames=1)).end() is ExitCode.OK
        assert len(passed) == len(farm.calls)
        assert len(farm.of("upload")) == 1


def test_own_certificates_are_trusted_only_when_named(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*words, *names], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with SeedServer(tls=context) as farm:
        with pytest.raises(UnreachableError, match="certificate"):
            session_at(farm.url).open()
        session = session_at(farm.url, ca_file=certificate)
        session.open()
        assert session.number == 1


@pytest.mark.parametrize("store", ["works", "fails", "is away"])
def test_archive_comes_from_a_store_or_else_from_the_farm(
    store: str, settings: Callable[..., Settings], start: Callable[..., object], job: Callable[..., SeedJob]
) -> None:
    mine = job(1)

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = mine.scene if store == "works" else b""
            self.send_response(200 if store == "works" else 403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Quiet."""

    with SeedServer([mine]) as farm, serving(Store) as port:
        place = f"http://127.0.0.1:{1 if store == 'is away' else port}/signed?key=x"

        def send_away(call: Call) -> tuple[int, str, bytes]:
            return 307, place, b""

        farm.answers["archive"].extend([0, send_away])
        assert start(settings(farm.url, max_frames=1)).end() is ExitCode.OK
        asked = [call.query.get("direct") for call in farm.of("archive") if call.query["type"] == "job"]
        assert asked == ([None] if store == "works" else [None, "0"])
        assert len(farm.of("upload")) == 1


@pytest.mark.parametrize("connection", [{"ca_file": Path("/nowhere/ca.pem")}, {"proxy": "nonsense://x"}])
def test_connection_that_cannot_be_made_is_explained(connection: dict[str, object]) -> None:
    with pytest.raises(FarmError, match="certificates or the proxy"):
        Farm(Connection("https://farm.example", **connection))


def test_throttle_paces_all_transfers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("sheepfold.client.throttle.time.monotonic", lambda: now[0])
    monkeypatch.setattr("sheepfold.client.throttle.time.sleep", sleep)
    throttle = Throttle(1000)
    assert list(throttle.paced(iter([b"x" * 500, b"y" * 2000]))) == [b"x" * 500, b"y" * 2000]
    throttle.moved(250)
    assert slept == [0.5, 2.0, 0.25]
    assert Throttle(None).moved(10**12) is None


class serving:  # noqa: N801 - reads as a word of the test
    """A small HTTP server on a free port."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> int:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return int(self._server.server_address[1])

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
