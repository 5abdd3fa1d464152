"""The `Range` header. Pure."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Unsatisfiable(Exception):
    """The range lies outside the file (HTTP 416)."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to but not including `end`."""

    start: int
    end: int
    is_partial: bool


def parse_range(header: str | None, size: int) -> ByteRange:
    """The wanted part of `size` bytes; several ranges or nonsense count as the whole, as RFC 9110 allows."""
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return ByteRange(0, size, is_partial=False)
    first, last = match.groups()
    if first == "":
        return _checked(max(0, size - int(last)), size, size)
    return _checked(int(first), min(int(last) + 1, size) if last else size, size)


def _checked(start: int, end: int, size: int) -> ByteRange:
    if start >= end or start >= size:
        raise Unsatisfiable
    return ByteRange(start, end, is_partial=True)
