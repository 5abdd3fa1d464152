"""HTTP on a bare socket: exactly the bytes that a client means to send, exactly the bytes that came back."""

import socket
from dataclasses import dataclass, field

SECONDS = 60


class Unusable(Exception):
    """An answer that the client cannot use: the real one would stop, loop or lose its work here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with header names as they were written."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    def exactly(self, name: str) -> list[str]:
        """Values of the headers of exactly this name."""
        return [value for key, value in self.headers if key == name]

    def any_case(self, name: str) -> list[str]:
        """Values of the headers of this name in any case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def content_type(self) -> str:
        """Java reads it without asking whether it is there."""
        found = self.any_case("Content-Type")
        if not found:
            raise Unusable("the answer has no Content-Type")
        return found[0]


@dataclass(slots=True)
class Wire:
    """One connection that is used again and again. `exchanges` keeps what went each way."""

    host: str
    port: int
    exchanges: list[tuple[bytes, bytes]] = field(default_factory=list)
    _socket: socket.socket | None = None

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read its answer. An idle connection that the server closed is opened anew."""
        try:
            answer = self._once(request)
        except ConnectionError:
            self.close()
            answer = self._once(request)
        self.exchanges.append((request, answer.raw))
        if "close" in [value.lower() for value in answer.any_case("Connection")]:
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _once(self, request: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), timeout=SECONDS)
        self._socket.sendall(request)
        return _read(self._socket)


def _read(connection: socket.socket) -> Answer:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
    if len(lengths) != 1:
        raise Unusable("the answer has no Content-Length")
    while len(body) < lengths[0]:
        body += _some(connection)
    return Answer(int(status_line.split(" ")[1]), headers, body, head + b"\r\n\r\n" + body)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionResetError("the server hung up")
    return data
