"""Requests as values that can be changed part by part, and answers from a bare socket."""

import http.client
import socket
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

SECONDS = 60
Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire. `query` is as it travels, percent signs and all."""

    method: bytes
    path: bytes
    query: Pairs
    headers: Pairs
    body: bytes

    def raw(self) -> bytes:
        """The bytes, with a length that fits the body where there is one."""
        query = b"&".join(name + b"=" + value for name, value in self.query)
        target = self.path + (b"?" + query if query else b"")
        headers = [(name, value) for name, value in self.headers if name.lower() != b"content-length"]
        if self.body or self.method == b"POST":
            headers.append((b"Content-Length", b"%d" % len(self.body)))
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return self.method + b" " + target + b" HTTP/1.1\r\n" + lines + b"\r\n" + self.body

    def header(self, name: bytes) -> bytes:
        """The first of this name, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def with_header(self, name: bytes, value: bytes | None) -> "Request":
        """Another value for all of this name; None: none of them."""
        others = tuple((key, old) for key, old in self.headers if key.lower() != name.lower())
        return replace(self, headers=others if value is None else (*others, (name, value)))


def parse(raw: bytes) -> Request:
    """A recorded request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    path, _, query = target.partition(b"?")
    return Request(method, path, _pairs(query), tuple(_header(one) for one in lines), body)


def form_of(request: Request) -> Pairs:
    """The pairs of a form body, as they travel."""
    return _pairs(request.body)


def plain(value: bytes) -> bytes:
    """A value of a query without its percent signs."""
    return unquote_to_bytes(value.replace(b"+", b" "))


def _pairs(text: bytes) -> Pairs:
    pairs = (one.partition(b"=") for one in text.split(b"&") if one)
    return tuple((name, value) for name, _, value in pairs)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    cookie: str
    body: bytes


@dataclass(slots=True)
class Line:
    """A connection that is kept as long as the server keeps it."""

    host: str
    port: int
    _socket: socket.socket | None = field(default=None)

    def ask(self, raw: bytes, *, is_head: bool = False) -> Answer | None:
        """Send one request and read its answer; None where the server hung up without one."""
        kept = self._socket is not None
        try:
            return self._once(raw, is_head)
        except (ConnectionError, http.client.BadStatusLine):
            self.close()
            if not kept:
                return None
        try:
            return self._once(raw, is_head)  # the server had closed an idle connection
        except (ConnectionError, http.client.BadStatusLine):
            self.close()
            return None

    def ask_and_end(self, raw: bytes) -> Answer | None:
        """Send bytes on a connection of their own and say that no more will come."""
        self.close()
        try:
            self._open().sendall(raw)
            self._open().shutdown(socket.SHUT_WR)
            return self._read(is_head=False)
        except (ConnectionError, http.client.HTTPException):
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), timeout=SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _once(self, raw: bytes, is_head: bool) -> Answer:
        self._open().sendall(raw)
        return self._read(is_head)

    def _read(self, is_head: bool) -> Answer:
        response = http.client.HTTPResponse(self._open(), method="HEAD" if is_head else "GET")
        response.begin()
        body = response.read()
        answer = Answer(
            response.status, response.getheader("content-type", ""), response.getheader("set-cookie", ""), body
        )
        if response.will_close:
            self.close()
        return answer
