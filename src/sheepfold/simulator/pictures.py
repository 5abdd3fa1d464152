"""Small PNGs that differ from tile to tile. Pure."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(job: int, frame: int, width: int, height: int) -> bytes:
    """An RGB picture in which no two tiles are alike; the same tile always gives the same bytes."""
    mark = bytes((frame % 256, frame // 256 % 256, job % 256))
    row = b"\0" + b"".join(bytes((column % 256,)) + mark[:2] for column in range(width))
    last = b"\0" + mark * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(row * (height - 1) + last, 1)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def wrong_picture(job: int, frame: int, width: int, height: int, cheat: int) -> bytes:
    """A picture of the right size that shows something else; each cheat is wrong in its own way."""
    return picture(job, frame + 64 + cheat * 7 % 128, width, height)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
