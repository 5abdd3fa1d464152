"""Receives a file and the fields around it, straight to disk, within limits.

Takes what ten years of clients send: unquoted boundaries with stars, parts without a type, or a form-encoded `file`.
"""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from sheepfold.server.core.config import config
from sheepfold.server.node_api.wire import FORM, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FILE_PART = "file"
MAX_FIELD_BYTES = 4096
MAX_PARTS = 64
SUFFIX_LENGTH = 8  # of a file name: what image readers look at


class BadUpload(Exception):
    """A body from which no file could be read."""


@dataclass(slots=True)
class ReceivedFile:
    """An uploaded file in the temporary folder and the fields beside it. Use as a context manager: it cleans up."""

    path: Path | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "ReceivedFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


async def receive_file(request: Request, limit: int) -> ReceivedFile:
    """Read the body; the part `file` lands in a temporary file. Raises BadUpload or TooLarge; then nothing is left.

    A body without a file part gives no path.
    """
    received = ReceivedFile()
    kind, options = parse_options_header(request.headers.get("content-type"))
    try:
        if kind == b"multipart/form-data" and options.get(b"boundary"):
            await _Reader(received, limit).read(request, options[b"boundary"])
        elif kind == FORM.encode():
            await _read_form(request, received, limit)
        return received
    except BaseException:
        received.__exit__(None, None, None)
        raise


async def _read_form(request: Request, received: ReceivedFile, limit: int) -> None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > min(limit * 3, 64 << 20):  # %XX takes three bytes; this form is rare and held in memory
            raise TooLarge(limit)
    for name, value in _form_pairs(body.decode("latin-1")):
        if name == FILE_PART and received.path is None:
            with _temporary(received, "") as file:
                file.write(value.encode("latin-1"))
        elif name != FILE_PART:
            received.fields.setdefault(name, value[:MAX_FIELD_BYTES])


def _form_pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_PARTS)
    except ValueError as error:  # taking millions of them apart would hold up everybody else
        raise BadUpload(f"more than {MAX_PARTS} fields") from error


class _Reader:
    """The callbacks of the parser: each part is a file on disk or a short field in memory."""

    def __init__(self, received: ReceivedFile, limit: int) -> None:
        self._received = received
        self._left = limit
        self._parts = 0
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._disposition: dict[bytes, bytes] = {}
        self._file: IO[bytes] | None = None
        self._value = b""

    async def read(self, request: Request, boundary: bytes) -> None:
        """Feed the body to the parser. Raises BadUpload for a body that breaks off."""
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._header,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        try:
            parser = MultipartParser(boundary, callbacks)
            async for chunk in request.stream():
                parser.write(chunk)
        except FormParserError as error:
            raise BadUpload(str(error)) from error
        finally:
            self._close()
        if not self._ended:
            raise BadUpload("the body breaks off before its last boundary")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BadUpload(f"more than {MAX_PARTS} parts")
        self._disposition, self._value = {}, b""

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        if len(self._header_value) > MAX_FIELD_BYTES:
            raise BadUpload("a header of a part is too long")

    def _header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = parse_options_header(self._header_value)[1]
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        if self._disposition.get(b"name") == FILE_PART.encode() and self._received.path is None:
            name = self._disposition.get(b"filename", b"").decode("latin-1")
            self._file = _temporary(self._received, Path(name).suffix)

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._left -= end - start
        if self._left < 0:
            raise TooLarge
        if self._file is not None:
            self._file.write(data[start:end])
        elif len(self._value) < MAX_FIELD_BYTES:
            self._value += data[start:end]

    def _end(self) -> None:
        if self._file is None and b"name" in self._disposition:
            name = self._disposition[b"name"].decode("utf-8", "replace")
            self._received.fields.setdefault(name, self._value.decode("utf-8", "replace"))
        self._close()

    def _finish(self) -> None:
        self._ended = True

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _temporary(received: ReceivedFile, suffix: str) -> IO[bytes]:
    """A file in the temporary folder of the data: keeping it later is a rename. Only plain suffixes survive."""
    plain = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= SUFFIX_LENGTH else ""
    name = f"{config().tmp_dir}/upload-{secrets.token_hex(8)}{plain}"
    received.path = Path(name)
    return open(name, "xb", opener=_for_us_alone)


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
