"""How large the table of contents of a zip says it is, without reading it.

A zip of a few bytes an entry could otherwise fill the memory before any entry is looked at.
Layout: PKWARE's APPNOTE, 4.3.14 to 4.3.16.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

END = struct.Struct("<4s4H2LH")  # end of central directory record
END_64 = struct.Struct("<4sQ2H2L4Q")  # zip64 end of central directory record
LOCATOR_64 = struct.Struct("<4sLQL")
END_SIGN, END_64_SIGN, LOCATOR_64_SIGN = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
MAX_COMMENT = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class DirectorySize:
    """Number of entries, and bytes of the table."""

    entries: int
    size: int


def directory_size(path: Path) -> DirectorySize | None:
    """None if the file has no end of a zip."""
    with path.open("rb") as file:
        total = file.seek(0, 2)
        start = file.seek(max(0, total - MAX_COMMENT - END.size - LOCATOR_64.size))
        tail = file.read()
        place = tail.rfind(END_SIGN)
        if place < 0 or len(tail) - place < END.size:
            return None
        fields = END.unpack_from(tail, place)
        found = DirectorySize(entries=fields[4], size=fields[5])
        if place < LOCATOR_64.size or tail[place - LOCATOR_64.size :][:4] != LOCATOR_64_SIGN:
            return found
        file.seek(start + place - LOCATOR_64.size - END_64.size)
        record = file.read(END_64.size)
    if len(record) < END_64.size or not record.startswith(END_64_SIGN):
        return found
    wide = END_64.unpack(record)
    return DirectorySize(entries=wide[7], size=wide[8])
