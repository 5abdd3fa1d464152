"""Recorded conversations: exact bytes each way, with names for what differs from one farm to the next.

A file of `tests/golden/conversations` holds `=== request 1 ===`, the bytes, a line feed, `=== answer 1 ===`, and so on.
`{{cookie}}`, `{{publickey}}` and `{{token1}}`, `{{token2}}` … stand for what the farm hands out, `{{date}}` for a date,
`{{script}}` for the farm's part of the script, `{{length}}` for the length of an answer with a script, and
`{{frame.png}}`, `{{renderer.zip}}`, `{{scene.zip}}` for the bytes of these files.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.clients.client import Client, Job
from tests.e2e.clients.go_2017 import Go2017
from tests.e2e.clients.java_url import Java2015

FOLDER = Path(__file__).parents[2] / "golden" / "conversations"
RENDERER, SCENE = b"bytes of the renderer archive", b"bytes of the scene archive"
FRAME = (FOLDER / "frame.png").read_bytes()
FILES = {b"renderer.zip": RENDERER, b"scene.zip": SCENE, b"frame.png": FRAME}

_PIECE = re.compile(rb"=== (request|answer) \d+ ===\n(.*?)\n(?==== (?:request|answer) \d+ ===\n|\Z)", re.DOTALL)
_DATE = re.compile(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_SCRIPT = re.compile(rb"<script>.*</script>", re.DOTALL)
_LENGTH = re.compile(rb"(?i)(content-length: )\d+")
_HANDED_OUT = {
    b"cookie": re.compile(rb"sheepfold=([\w-]+); path="),
    b"publickey": re.compile(rb'publickey="([^"]+)"'),
}
_TOKEN = re.compile(rb'extras="([\w-]{20,})"')


def read(generation: str) -> list[tuple[bytes, bytes]]:
    """The recorded (request, answer) pairs of a generation, with names in place of values."""
    pieces = [body for _, body in _PIECE.findall((FOLDER / f"{generation}.http").read_bytes())]
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def write(generation: str, exchanges: list[tuple[bytes, bytes]]) -> None:
    """Record a conversation anew; read the difference before it is committed."""
    parts = [
        b"=== request %d ===\n%s\n=== answer %d ===\n%s\n" % (number, request, number, answer)
        for number, (request, answer) in enumerate(exchanges, 1)
    ]
    (FOLDER / f"{generation}.http").write_bytes(b"".join(parts))


@dataclass(slots=True)
class Names:
    """The values of one conversation, learned from the answers as they come."""

    values: dict[bytes, bytes] = field(default_factory=dict)

    def learn(self, answer: bytes) -> None:
        """Note what this answer hands out."""
        for name, pattern in _HANDED_OUT.items():
            if found := pattern.search(answer):
                self.values[name] = found[1]
        token = _TOKEN.search(answer)
        if token and token[1] not in self.values.values():
            self.values[b"token%d" % (1 + sum(name.startswith(b"token") for name in self.values))] = token[1]

    def put_in(self, recorded: bytes) -> bytes:
        """The bytes to send: values in place of names."""
        for name, value in {**FILES, **self.values}.items():
            recorded = recorded.replace(b"{{" + name + b"}}", value)
        return recorded

    def take_out(self, sent: bytes) -> bytes:
        """The bytes to compare: names in place of values."""
        if _SCRIPT.search(sent):
            sent = _LENGTH.sub(rb"\1{{length}}", _SCRIPT.sub(b"<script>{{script}}</script>", sent))
        for name, value in {**FILES, **self.values}.items():
            sent = sent.replace(value, b"{{" + name + b"}}")
        return _DATE.sub(b"{{date}}", sent)

    def named(self, exchanges: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """A whole conversation with names in place of values."""
        named = []
        for request, answer in exchanges:
            self.learn(answer)
            named.append((self.take_out(request), self.take_out(answer)))
        return named


def hold(client: Client) -> None:
    """One complete session: a frame that is taken, one that fails, no more work, goodbye."""
    client.login()
    job = _job(client)
    client.fetch(job)
    client.beat(job, 61, 120)
    if isinstance(client, Go2017):
        return  # it keeps its frame and ends
    if client.at_once(job):
        client.upload(job, FRAME, 75, 633810)
    failing = _job(client)
    if not client.at_once(job):
        client.upload(job, FRAME, 75, 633810)
    if isinstance(client, Java2015):
        client.report(failing, "12", 3, b"09-06 12:00:00 (error) Renderer crashed\n")
    if client.ask() is not None:
        raise AssertionError("there should be no more work for this machine")
    client.logout()


def _job(client: Client) -> Job:
    job = client.ask()
    if job is None:
        raise AssertionError("there should be work")
    return job
