"""All frames as one zip, made while it is sent."""

import asyncio
import io
import zipfile
from datetime import UTC, datetime

import pytest

from sheepfold.server.core.errors import NotFound
from sheepfold.server.core.storage import store
from sheepfold.server.outputs.names import frame_name, safe_stem
from sheepfold.server.outputs.zip import FrameZip
from sheepfold.server.results.queries import FrameFact


def fact(frame: int, content: bytes, image_format: str = "PNG", part: int = 0) -> FrameFact:
    return FrameFact(
        result_id=frame, tile_id=frame, frame=frame, part=part, blob_sha=store().keep_bytes(content, "x/y").sha256,
        thumbnail_sha="", format=image_format, size=len(content), rendertime=1.0, machine_id=1,
        created_at=datetime(2026, 6, 1, tzinfo=UTC),
    )  # fmt: skip


def test_frames_are_stored_under_the_projects_name_and_their_number() -> None:
    frames = [fact(7, b"seven" * 1000), fact(12345, b"many", "OPEN_EXR"), fact(8, b"eight", "JPEG")]
    made = FrameZip("Böser/Bär: 2", frames, store())
    data = b"".join(made)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            "Böser_Bär_2_0007.png": b"seven" * 1000,
            "Böser_Bär_2_12345.exr": b"many",
            "Böser_Bär_2_0008.jpg": b"eight",
        }
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert made.name == "Böser_Bär_2.zip"
    assert made.size == len(data)


def test_it_streams_asynchronously_as_well() -> None:
    async def collect(made: FrameZip) -> bytes:
        return b"".join([chunk async for chunk in made])

    data = asyncio.run(collect(FrameZip("walk", [fact(1, b"one"), fact(2, b"two")], store())))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["walk_0001.png", "walk_0002.png"]


def test_no_frame_yet_makes_an_empty_zip() -> None:
    with zipfile.ZipFile(io.BytesIO(b"".join(FrameZip("walk", [], store())))) as archive:
        assert archive.namelist() == []


def test_a_frame_that_the_store_lost_breaks_the_stream_instead_of_the_zip_looking_whole() -> None:
    lost = fact(1, b"lost")
    made = FrameZip("walk", [lost], store())
    store().delete(lost.blob_sha)
    with pytest.raises(NotFound):
        b"".join(made)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("walk", "walk"), ("../..", "project"), ("a\x00b\n", "a_b"), (" ...", "project"), ("🐑" * 100, "🐑" * 20)],
)
def test_a_projects_name_is_a_safe_file_name(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


def test_a_part_of_a_split_frame_and_an_unknown_format_have_names_too() -> None:
    assert frame_name("walk", 3, "PNG", part=2) == "walk_0003_part2.png"
    assert frame_name("walk", 3, "?") == "walk_0003.bin"
