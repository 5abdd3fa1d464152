"""What a bad request must leave alone: every row of the farm, the store, and the folder of temporary files."""

import socket
from collections import Counter
from dataclasses import dataclass

from django.apps import apps

from sheepfold.server.core.config import config
from sheepfold.server.core.storage import store
from tests.server.conftest import Server

STORED, TEMPORARY = "stored files", "temporary files"


def count_everything() -> Counter[str]:
    """Rows by table, and files."""
    models = [model for model in apps.get_models() if model.__module__.startswith("sheepfold.")]
    counts = Counter({model._meta.db_table: model._default_manager.count() for model in models})
    counts[STORED] = len(list(store().hashes()))
    counts[TEMPORARY] = len(list(config().tmp_dir.iterdir()))
    return counts


def changes(before: Counter[str]) -> dict[str, int]:
    """What there is more, or less, of than before."""
    now = count_everything()
    return {name: now[name] - before[name] for name in now | before if now[name] != before[name]}


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back on a bare socket; status 0: nothing did."""

    status: int
    body: bytes


def speak(server: Server, *pieces: bytes, hang_up: bool = False) -> RawAnswer:
    """Send bytes as they are, as far as the server takes them, and read all that it answers.

    `hang_up`: end our side of the connection after the last byte.
    """
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        received = _send(connection, pieces)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        while not _whole(received) and (more := _read(connection)):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return RawAnswer(int(head.split(b" ")[1]) if head else 0, body)


def _send(connection: socket.socket, pieces: tuple[bytes, ...]) -> bytes:
    """All pieces, or those before the server's answer."""
    for piece in pieces:
        try:
            connection.sendall(piece)
        except ConnectionError:
            break
        connection.setblocking(False)
        try:
            early = connection.recv(65536)
        except BlockingIOError:
            continue
        except ConnectionError:
            break
        finally:
            connection.settimeout(30)
        return early
    return b""


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def _whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(found) and bool(lengths) and len(body) >= int(lengths[0])
