"""A proxy in front of a real S3 server that is slow, fails, breaks off or lies, as it is told."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

from sheepfold.environment.seaweed import BUCKET, KEY_ID, SECRET

SLOW_SECONDS = 0.6  # for which each answer is held back
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Mood(Enum):
    """What the proxy does to requests."""

    HONEST = auto()
    SLOW = auto()
    BROKEN = auto()  # 500
    BUSY = auto()  # 503
    RESETTING = auto()  # the connection is reset after the request
    FORGETFUL = auto()  # a PUT is answered 200 and not done
    TRUNCATING = auto()  # a PUT is answered 200 and half of it is kept


@dataclass
class Proxy:
    """Its endpoint, its mood, and how many requests suffered under each."""

    upstream: str
    mood: Mood = Mood.HONEST
    hits: dict[Mood, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    endpoint: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> Mood:
        """The mood for one request."""
        with self.lock:
            self.hits[self.mood] = self.hits.get(self.mood, 0) + 1
            return self.mood

    def bucket(self) -> S3Store:
        """Past the proxy."""
        return S3Store(
            BUCKET,
            config={"endpoint": self.upstream, "access_key_id": KEY_ID, "secret_access_key": SECRET, "region": "any"},
            client_options={"allow_http": True},
        )


@contextmanager
def lying_proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on a free port of the loopback interface."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        pass

    Handler.proxy = proxy
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy
        proxy.over.set()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mood = self.proxy.count()
        if mood is Mood.BROKEN:
            self._say(500, b"")
        elif mood is Mood.BUSY:
            self._say(503, b"")
        elif mood is Mood.RESETTING:
            self._reset()
        elif mood is Mood.FORGETFUL and self.command == "PUT":
            self._say(200, b"", ("ETag", '"0"'))
        else:
            self._pass_on(body, mood)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815  as http.server calls them

    def _pass_on(self, body: bytes, mood: Mood) -> None:
        if mood is Mood.SLOW:
            self.proxy.over.wait(SLOW_SECONDS)
        connection = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=30)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            if mood is Mood.TRUNCATING and self.command == "PUT":
                obstore.put(self.proxy.bucket(), self.path.removeprefix(f"/{BUCKET}/"), body[: len(body) // 2])
            length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            kept = [pair for pair in answer.getheaders() if pair[0].lower() not in HOP_BY_HOP | {"content-length"}]
            self._say(answer.status, content, *kept, length=length)
        except (OSError, http.client.HTTPException):
            self._reset()
        finally:
            connection.close()

    def _say(self, status: int, content: bytes, *headers: tuple[str, str], length: str = "") -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        """A connection that was reset has nothing to be flushed."""
        if self.connection.fileno() >= 0:
            super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing: requests are counted."""
