"""Files that were made to hurt whoever decodes them. Each is small; what it claims to hold is not."""

import asyncio
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy
import OpenImageIO as oiio  # noqa: N813
import psutil
import pytest

from sheepfold.server.results.checks import MAX_PIXELS, Inspected, NotAnImage, Oversized, inspect, pixel_limit
from sheepfold.server.results.decoders import Decoders
from sheepfold.server.results.models import Verdict
from sheepfold.server.results.verdicts import Expectation, judge
from tests.server.node_api.machine import png


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(width: int, height: int) -> bytes:
    """A whole, correct picture: 268 million pixels are 800 KB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width * 3 + 1)) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def film(path: Path, width: int, height: int, channels: int = 3) -> Path:
    """A black image by OpenImageIO in the format of the path."""
    spec = oiio.ImageSpec(width, height, channels, oiio.HALF)
    spec.attribute("compression", "zip")
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    row = numpy.zeros((1, width, channels), numpy.float16)
    for y in range(height):
        out.write_scanline(y, 0, row)
    out.close()
    return path


def claiming(path: Path, width: int, height: int) -> Path:
    """The same file after somebody has written other sizes into its head."""
    film(path, 64, 36)
    data = bytearray(path.read_bytes())
    if path.suffix == ".exr":
        for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
            at = data.index(name) + len(name) + 4
            struct.pack_into("<4i", data, at, 0, 0, width - 1, height - 1)
    else:
        (entries,) = struct.unpack_from("<I", data, 4)
        for at in range(entries + 2, entries + 26, 12):
            tag = struct.unpack_from("<H", data, at)[0]
            if tag in (256, 257):
                struct.pack_into("<HII", data, at + 2, 4, 1, width if tag == 256 else height)
    path.write_bytes(data)
    return path


def test_sizes_far_beyond_the_scene_are_refused_unseen(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(png(size=(640, 360)))
    limit = pixel_limit(64, 36)
    assert (limit, pixel_limit(0, 0), pixel_limit(1 << 14, 1 << 14)) == (64 * 36 * 4, MAX_PIXELS, MAX_PIXELS)
    assert inspect(picture, limit) == Oversized(640, 360)
    assert inspect(film(tmp_path / "a.exr", 640, 360), limit) == Oversized(640, 360)
    assert inspect(film(tmp_path / "a.tif", 640, 360), limit) == Oversized(640, 360)
    expected = Expectation(64, 36, others_have_content=False, agreed_constant=False)
    assert judge(Oversized(640, 360), expected).verdict == Verdict.WRONG_SIZE
    nothing = Expectation(0, 0, others_have_content=False, agreed_constant=False)
    assert judge(Oversized(640, 360), nothing).verdict == Verdict.WRONG_SIZE


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("a.exr", (60_000, 60_000), "openexr header claims a 20599 MB image from a 375 byte file"),
        ("a.tif", (60_000, 60_000), "Uncompressed image size 41198.7 MB exceeds the"),
        ("a.exr", (64, 2000), "Some scanline chunks were missing or corrupted"),
        ("a.tif", (64, 2000), "TIFFReadEncodedStrip failed reading line y=0: Invalid strip byte count 0, strip 0"),
    ],
)
def test_a_head_that_lies_about_its_size(tmp_path: Path, name: str, size: tuple[int, int], words: str) -> None:
    found = inspect(claiming(tmp_path / name, *size))
    assert isinstance(found, NotAnImage)
    assert found.reason.startswith(words)
    assert len(found.reason) <= 200


def test_channels_without_end(tmp_path: Path) -> None:
    found = inspect(film(tmp_path / "a.exr", 8, 8, 513))
    assert found == NotAnImage("513 channels are more than the farm takes")


def test_what_a_decoder_says_is_one_short_line() -> None:
    assert NotAnImage.said("line\0 one\nline two") == NotAnImage("line one")
    assert NotAnImage.said("") == NotAnImage("it does not fit into memory")
    assert len(NotAnImage.said("a" * 5000).reason) == 200


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.4\n", b"\0\0\0\x18ftypmp42", b"\xff\x0a", b"null", b"PK\3\4", b"<svg/>", b"\x00\x00\x01\x00", b"8BPS"],
)
def test_formats_that_blender_does_not_write_reach_no_decoder(tmp_path: Path, content: bytes) -> None:
    for suffix in ("", ".null", ".exr", ".mp4", ".jxl"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content + bytes(100))
        assert inspect(path) == NotAnImage("no image format that the farm knows")


@pytest.fixture
def decoders() -> Iterator[list[Decoders]]:
    """To be filled by the test, closed after it."""
    made: list[Decoders] = []
    yield made
    for one in made:
        one.close()


def test_a_file_that_never_ends_is_given_up_and_those_beside_it_are_not(
    tmp_path: Path, decoders: list[Decoders]
) -> None:
    endless, good = tmp_path / "endless.png", tmp_path / "good.png"
    endless.write_bytes(black_png(1 << 14, 1 << 14))
    good.write_bytes(png())

    async def decode() -> list[Inspected]:
        decoders.append(Decoders(cpu_seconds=0.6))
        return await asyncio.gather(
            *(decoders[0].inspect(path, MAX_PIXELS) for path in (endless, good, endless, good, good))
        )

    found = asyncio.run(decode())

    killed = NotAnImage("the program that decodes it does not survive it")
    assert [one if isinstance(one, NotAnImage) else "good" for one in found] == [killed, "good", killed, "good", "good"]


def test_what_does_not_fit_into_memory_is_no_image(tmp_path: Path, decoders: list[Decoders]) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(black_png(1 << 13, 1 << 13))

    async def decode() -> Inspected:
        decoders.append(Decoders(memory=600 << 20))
        return await decoders[0].inspect(path, MAX_PIXELS)

    assert isinstance(asyncio.run(decode()), NotAnImage)


SERVER = """
import asyncio, os, sys
from pathlib import Path
import psutil
from sheepfold.server.results.decoders import Decoders

if __name__ == "__main__":
    decoders = Decoders()
    asyncio.run(decoders.inspect(Path(sys.argv[1]), 10_000))
    print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
    sys.stdin.read()
"""


def test_decoders_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "frame.png").write_bytes(png())
    command = [sys.executable, tmp_path / "server.py", tmp_path / "frame.png"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        helpers = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]

        server.kill()

        _, left = psutil.wait_procs(helpers, timeout=60)
    assert len(helpers) >= 2  # the one that forks, and those that decode
    assert left == []
