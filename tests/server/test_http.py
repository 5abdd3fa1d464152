import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sheepfold.server.http import HEAD_LIMIT, open_socket

# A whole application in its own process: the protocol class is what is tested, over a real socket.
SERVER = """
import asyncio, socket, sys, uvicorn
from sheepfold.server import http

async def application(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"X-Length", str(len(body)).encode()), (b"set-cookie", b"a=b")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

http.HEAD_SECONDS = float(sys.argv[2])
app = http.with_cookie_case(application)
settings = uvicorn.Config(app, http=http.BoundedHttp, lifespan="off", log_config=None)
uvicorn.Server(settings).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def test_a_body_may_be_long() -> None:
    size = 40 * HEAD_LIMIT
    with _server() as address:
        answer = _ask(address, b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"x-length: {size}\r\n".encode() in answer


def test_set_cookie_keeps_its_case() -> None:
    with _server() as address:
        answer = _ask(address, b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
    assert b"\r\nSet-Cookie: a=b\r\n" in answer
    assert b"set-cookie" not in answer


def test_a_head_that_never_ends_is_refused() -> None:
    with _server() as address:
        answer = _ask(address, b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100 * HEAD_LIMIT)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"The request's headers are too long.")


def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    with _server(head_seconds=0.2) as address:
        assert _ask(address, b"GET / HTT").endswith(b"The request did not come in time.")


def test_a_taken_port_is_an_error() -> None:
    with open_socket("127.0.0.1", 0) as first, pytest.raises(OSError, match="Address already in use"):
        open_socket("127.0.0.1", first.getsockname()[1])


@contextmanager
def _server(head_seconds: float = 20) -> Iterator[tuple[str, int]]:
    with open_socket("127.0.0.1", 0) as listening:
        number = listening.fileno()
        command = [sys.executable, "-c", SERVER, str(number), str(head_seconds)]
        with subprocess.Popen(command, pass_fds=[number]) as process:
            yield listening.getsockname()
            process.terminate()


def _ask(address: tuple[str, int], request: bytes) -> bytes:
    """Send the request as far as the server takes it; what it answers first."""
    with socket.create_connection(address) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all was sent; the answer is there
            connection.sendall(request)
        return connection.recv(65536)
