"""Talks to a farm's JSON interface: the farm that was named, else the one on this machine."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, Concatenate, TypeVar

import click
import httpx2

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import data_dir_option, data_folder
from sheepfold.server.core.local_access import read_local_access

Answer = TypeVar("Answer")

SERVER, TOKEN, TOKEN_FILE = "SHEEPFOLD_SERVER", "SHEEPFOLD_TOKEN", "SHEEPFOLD_TOKEN_FILE"
TIMEOUT_SECONDS = 60
UPLOAD_CHUNK = 8 << 20  # bytes in one request; what was sent before a broken one is kept
READ_CHUNK = 1 << 16


class Refused(CommandError):
    """The farm said no. `status` is HTTP's."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Farm:
    """A farm and a token that it knows."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=f"{self.url}/api/", headers=headers, timeout=TIMEOUT_SECONDS)

    def get(self, path: str, **query: object) -> Any:
        """What is there. Raises CommandError with the farm's words."""
        return self._json("GET", path, params={name: str(value) for name, value in query.items()})

    def post(self, path: str, body: object = None) -> Any:
        """Make or do something."""
        return self._json("POST", path, json={} if body is None else body)

    def patch(self, path: str, body: object) -> Any:
        """Change something."""
        return self._json("PATCH", path, json=body)

    def answers(self) -> bool:
        """Whether the farm is up and knows the token."""
        try:
            self.get("me")
        except CommandError:
            return False
        return True

    def upload(self, path: Path, tell: Callable[[int], None]) -> int:
        """Send a scene; `tell` hears how many bytes the farm has. Returns the project's number."""
        upload = self.post("uploads", {"name": path.name, "size": path.stat().st_size})
        address = f"uploads/{upload['id']}"
        with path.open("rb") as file:
            while not upload["done"]:
                file.seek(upload["received"])
                upload = self._json(
                    "PATCH", address, params={"offset": str(file.tell())}, content=file.read(UPLOAD_CHUNK)
                )
                tell(upload["received"])
        return int(upload["project"])

    def download(self, path: str, target: Path, tell: Callable[[int], None] = lambda _: None) -> None:
        """Save a file: whole or not at all. `tell` hears how many more bytes have come."""
        draft = target.with_name(f".{target.name}.part")
        try:
            with self._stream(path) as chunks, draft.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    tell(len(chunk))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _stream(self, path: str) -> Iterator[Iterable[bytes]]:
        with self._reachable(), self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
            yield _checked(response).iter_bytes(READ_CHUNK)

    def _json(self, method: str, path: str, **what: Any) -> Any:
        with self._reachable():
            return _checked(self._http.request(method, path, **what)).json()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise CommandError(f"{self.url} does not answer: {error}") from error


def _checked(response: httpx2.Response) -> httpx2.Response:
    if not response.is_error:
        return response
    try:
        words = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        words = f"the farm answered {response.status_code} {HTTPStatus(response.status_code).phrase}"
    raise Refused(response.status_code, words)


def find_farm(server: str | None, token_file: Path | None, data_dir: Path | None) -> Farm:
    """The named farm with its token, else the local one. Raises CommandError if there is neither."""
    if server:
        return Farm(server, _token(token_file))
    access = read_local_access(data_folder(data_dir))
    if access is None:
        raise CommandError(
            "no farm runs here. Start one with `sheepfold serve`, or name one with --server and --token-file"
        )
    return Farm(access.url, access.token)


def _token(token_file: Path | None) -> str:
    if token_file is None:
        if token := os.environ.get(TOKEN, ""):
            return token
        raise CommandError(f"a token is needed: --token-file, or {TOKEN}. The site makes one under Account")
    try:
        return token_file.read_text().strip()
    except OSError as error:
        raise CommandError(f"cannot read {token_file}: {error.strerror}") from error


def with_farm(command: Callable[Concatenate[Farm, ...], Answer]) -> Callable[..., Answer]:
    """Options that say which farm; the command gets it first."""

    @click.option("--server", envvar=SERVER, help="Address of the farm; without it the one on this machine.")
    @click.option("--token-file", envvar=TOKEN_FILE, type=click.Path(path_type=Path), help="File with a token for it.")
    @data_dir_option
    @wraps(command)
    def found(*, server: str | None, token_file: Path | None, data_dir: Path | None, **options: Any) -> Answer:
        return command(find_farm(server, token_file, data_dir), **options)

    return found
