import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from sheepfold.server.http import HEAD_LIMIT, open_socket
from tests.e2e.running import wait_until

# A whole application in its own process: the protocol class is what is tested, over a real socket.
SERVER = """
import asyncio, socket, sys, uvicorn
from sheepfold.server import http
from sheepfold.server.node_api.wire import SET_COOKIE

async def application(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"X-Length", str(len(body)).encode()), (SET_COOKIE, b"a=b")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(int(scope["query_string"] or 0)):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
    await send({"type": "http.response.body", "body": b""})

http.HEAD_SECONDS = http.BODY_SECONDS = http.SEND_SECONDS = float(sys.argv[2])
settings = uvicorn.Config(application, http=http.BoundedHttp, lifespan="off", log_config=None)
uvicorn.Server(settings).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, int]]:
    with _server() as address:
        yield address


def test_a_body_may_be_long(running: tuple[str, int]) -> None:
    size = 40 * HEAD_LIMIT
    answer = _ask(running, b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"x-length: {size}\r\n".encode() in answer


def test_set_cookie_keeps_its_case(running: tuple[str, int]) -> None:
    answer = _ask(running, b"GET / HTTP/1.1\r\nHost: f\r\n\r\n")
    assert b"\r\nSet-Cookie: a=b\r\n" in answer
    assert b"set-cookie" not in answer


def test_a_head_that_never_ends_is_refused(running: tuple[str, int]) -> None:
    answer = _ask(running, b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100 * HEAD_LIMIT)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"The request's headers are too long.")


def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    with _server(seconds=0.2) as address:
        assert _ask(address, b"GET / HTT").endswith(b"The request did not come in time.")


CHUNKED = b"POST / HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_may_come_in_tiny_pieces(running: tuple[str, int]) -> None:
    answer = _ask(running, CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n")
    assert b"x-length: 100000\r\n" in answer.lower()


@pytest.mark.parametrize(
    "endless",
    [
        b"1;" + b"e" * 4 * HEAD_LIMIT,
        b"0" * 4 * HEAD_LIMIT + b"1",
        b"1\r\na\r\n0\r\nTrailer: " + b"t" * 4 * HEAD_LIMIT,
        b"1\r\na\r\n0\r\n" + b"T: t\r\n" * HEAD_LIMIT,
    ],
)
def test_a_body_that_is_mostly_wrapping_is_refused(running: tuple[str, int], endless: bytes) -> None:
    assert _ask(running, CHUNKED, endless).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with _server(seconds=0.2) as address:
        head = b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 1000000\r\n\r\n"
        assert _ask(address, head + bytes(2000)).endswith(b"The request did not come in time.")


def test_who_does_not_read_the_answer_is_not_waited_for() -> None:
    with _server(seconds=0.2) as address, socket.create_connection(address) as connection:
        connection.sendall(b"GET /?64 HTTP/1.1\r\nHost: f\r\n\r\n")
        here = connection.getsockname()
        wait_until(lambda: not _is_open(address, here), "the server hangs up")


def _is_open(server: tuple[str, int], client: tuple[str, int]) -> bool:
    """Whether the server's end of a connection is: bytes that wait in the system may outlive it."""
    ends = [one.status for one in psutil.net_connections("tcp4") if (one.laddr, one.raddr) == (server, client)]
    return ends == ["ESTABLISHED"]


AMBIGUOUS = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "another coding": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a coding in disguise": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a coding on two lines": b"Transfer-Encoding:\n chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -5\r\n\r\n",
    "a length with a sign": b"Content-Length: +5\r\n\r\nabcde",
    "a huge length": b"Content-Length: 99999999999999999999\r\n\r\nabcde",
    "a huge chunk": b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    "a header without a name": b": x\r\n\r\n",
    "a zero byte": b"X: a\0b\r\n\r\n",
    "a bare line feed": b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("name", list(AMBIGUOUS))
def test_what_a_proxy_could_read_in_another_way_is_refused(running: tuple[str, int], name: str) -> None:
    """One request or two? Where two readers may disagree, somebody's request is smuggled past the first."""
    with socket.create_connection(running) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: f\r\n" + AMBIGUOUS[name])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_requests_in_one_packet_are_answered_in_order(running: tuple[str, int]) -> None:
    one = b"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: %d\r\n\r\n"
    many = b"".join(one % size + bytes(size) for size in range(200))
    with socket.create_connection(running) as connection:
        connection.sendall(many + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    lengths = [int(line[10:]) for line in answers.lower().split(b"\r\n") if line.startswith(b"x-length:")]
    assert lengths == [*range(200), 0]


def test_a_taken_port_is_an_error() -> None:
    with open_socket("127.0.0.1", 0) as first, pytest.raises(OSError, match="Address already in use"):
        open_socket("127.0.0.1", first.getsockname()[1])


@contextmanager
def _server(seconds: float = 20) -> Iterator[tuple[str, int]]:
    with open_socket("127.0.0.1", 0) as listening:
        number = listening.fileno()
        command = [sys.executable, "-c", SERVER, str(number), str(seconds)]
        with subprocess.Popen(command, pass_fds=[number]) as process:
            yield listening.getsockname()
            process.terminate()


def _ask(address: tuple[str, int], *pieces: bytes) -> bytes:
    """Send the request as far as the server takes it; what it answers first."""
    with socket.create_connection(address) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all was sent; the answer is there
            for piece in pieces:
                connection.sendall(piece)
        return connection.recv(65536)
