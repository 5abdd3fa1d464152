"""A network that breaks once in each upload, after so many bytes of the request or of the answer."""

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

FRAME = re.compile(rb"^POST /server/send_frame\.php\?\S*frame=0*(\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PIECE = 1 << 16  # bytes


class Way(Enum):
    """What is cut."""

    REQUEST_HEAD = auto()
    REQUEST_BODY = auto()
    ANSWER = auto()


@dataclass(frozen=True)
class Cut:
    """After which part of it, 0 … 1, the connection is reset. Of an answer 1 is lost on its way out: all was sent."""

    way: Way
    part: float


@dataclass
class Network:
    """The first upload of frame n suffers the nth cut. `made`: frames whose cut was made."""

    server: tuple[str, int]
    cuts: Sequence[Cut]
    url: str = ""
    made: set[int] = field(default_factory=set)

    def cut_of(self, head: bytes) -> Cut | None:
        """The cut for this request, at its first time."""
        found = FRAME.match(head)
        if found is None or int(found[1]) in self.made:
            return None
        self.made.add(int(found[1]))
        return self.cuts[int(found[1]) - 1]


@contextmanager
def cutting_proxy(server: tuple[str, int], cuts: Sequence[Cut]) -> Iterator[Network]:
    """On a free port of the loopback interface."""
    network = Network(server, cuts)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _pass_on(self.request, network)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        network.url = f"http://127.0.0.1:{listening.server_address[1]}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield network
        listening.shutdown()


def _pass_on(client: socket.socket, network: Network) -> None:
    """One request and its answer; the next one needs a new connection."""
    head, body = _read_request(client)
    cut = network.cut_of(head)
    head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with socket.create_connection(network.server) as server:
        if cut is not None and cut.way is not Way.ANSWER:
            server.sendall((head + body)[: _sent(cut, len(head), len(body))])
            _reset(server)
            _reset(client)
            return
        server.sendall(head + body)
        answer = b"".join(iter(lambda: server.recv(PIECE), b""))
    client.sendall(answer if cut is None else answer[: int(len(answer) * cut.part)])
    if cut is not None and cut.part < 1:
        _reset(client)


def _sent(cut: Cut, head: int, body: int) -> int:
    return int(head * cut.part) if cut.way is Way.REQUEST_HEAD else head + int(body * cut.part)


def _read_request(client: socket.socket) -> tuple[bytes, bytes]:
    read = b""
    while b"\r\n\r\n" not in read and (piece := client.recv(PIECE)):
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    while found is not None and len(body) < int(found[1]) and (piece := client.recv(PIECE)):
        body += piece
    head = re.sub(rb"\r\nconnection: [^\r]*", b"", head, flags=re.IGNORECASE)
    return head + b"\r\n\r\n", body


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
