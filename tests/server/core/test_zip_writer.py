"""The zips that the farm hands out."""

import hashlib
import io
import stat
import zipfile
from pathlib import Path

import pytest
import pyzipper  # type: ignore[import-untyped]

from sheepfold.server.core.zip_writer import PackedFile, file_of, write_zip


def packed(path: str, data: bytes, *, size: int | None = None, executable: bool = False) -> PackedFile:
    return PackedFile(path, len(data) if size is None else size, lambda: io.BytesIO(data), executable)


FILES = [packed("b/deep/z.txt", b"z" * 5000), packed("rend.exe", b"#!", executable=True), packed("b/é.txt", b"e")]


def test_folders_come_before_their_files_and_everything_is_sorted(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", FILES)

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["b/", "b/deep/", "b/deep/z.txt", "b/é.txt", "rend.exe"]
        assert archive.read("b/deep/z.txt") == b"z" * 5000


def test_headers_that_old_readers_need(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", FILES)

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.compress_type == zipfile.ZIP_DEFLATED
            assert info.flag_bits & 0x8 == 0  # no sizes behind the data
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert modes["b/"] == stat.S_IFDIR | 0o755
    assert modes["rend.exe"] == stat.S_IFREG | 0o755
    assert modes["b/deep/z.txt"] == stat.S_IFREG | 0o644


def test_the_same_content_is_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", FILES)
    write_zip(tmp_path / "b.zip", reversed(FILES))

    first, second = (hashlib.md5((tmp_path / name).read_bytes()).hexdigest() for name in ("a.zip", "b.zip"))
    assert first == second


def test_with_a_password_files_are_encrypted_and_folders_are_not(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", FILES, "secret")

    with pyzipper.AESZipFile(tmp_path / "a.zip") as archive:
        assert [info.flag_bits & 1 for info in archive.infolist()] == [0, 0, 1, 1, 1]
        with pytest.raises(RuntimeError):
            archive.read("rend.exe")
        archive.setpassword(b"secret")
        assert archive.read("b/deep/z.txt") == b"z" * 5000
        assert archive.testzip() is None


def test_a_file_of_another_size_than_announced_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a has 3 bytes instead of 4"):
        write_zip(tmp_path / "a.zip", [packed("a", b"123", size=4)])


def test_a_file_on_disk_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "blender").write_bytes(b"ELF")

    write_zip(tmp_path / "a.zip", [file_of(tmp_path / "blender", "rend.exe", executable=True)])

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("rend.exe") == b"ELF"
