"""A farm that sends its clients to a bucket for an archive, and buckets that cannot be reached or do not give it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sheepfold.client.api import Connection, Farm

ARCHIVE = bytes(range(256))


class Store:
    """Answers every GET: with a status, or with the archive from where it is asked. `asked`: path and range."""

    def __init__(self, status: int = 0, send_to: str = "") -> None:
        self.asked: list[tuple[str, str | None]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers["Range"]
                store.asked.append((self.path, wanted))
                if send_to and "direct=0" not in self.path:
                    self.send_response(307)
                    self.send_header("Location", send_to)
                    self.end_headers()
                    return
                body = ARCHIVE[int(wanted.removeprefix("bytes=").rstrip("-")) :] if wanted else ARCHIVE
                self.send_response(status or (206 if wanted else 200))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator["Store"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        yield self
        self._server.shutdown()
        thread.join()
        self._server.server_close()


def download(farm: Store, offset: int) -> tuple[bytes, bool]:
    client = Farm(Connection(farm.url))
    with client.download(f"{farm.url}/archive?job=1", offset) as incoming:
        got = b"".join(incoming.pieces), incoming.resumed
    client.close()
    return got


def test_the_archive_comes_from_the_bucket_from_where_it_stopped() -> None:
    with Store().serving() as bucket, Store(send_to=f"{bucket.url}/signed").serving() as farm:
        assert download(farm, 100) == (ARCHIVE[100:], True)
        assert bucket.asked == [("/signed", "bytes=100-")]
        assert farm.asked == [("/archive?job=1", "bytes=100-")]


def test_a_bucket_out_of_reach_makes_the_farm_send_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}/signed"
        with Store(send_to=nowhere).serving() as farm:
            assert download(farm, 100) == (ARCHIVE[100:], True)
            assert farm.asked == [("/archive?job=1", "bytes=100-"), ("/archive?job=1&direct=0", "bytes=100-")]


def test_a_bucket_that_refuses_makes_the_farm_send_it() -> None:
    with Store(status=403).serving() as bucket, Store(send_to=f"{bucket.url}/signed").serving() as farm:
        assert download(farm, 0) == (ARCHIVE, False)
        assert [path for path, _ in farm.asked] == ["/archive?job=1", "/archive?job=1&direct=0"]
        assert bucket.asked == [("/signed", None)]
