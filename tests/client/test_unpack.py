"""Archives become folders, and nothing else."""

import io
import os
import zipfile
from pathlib import Path

import pytest
import pyzipper
from hypothesis import given
from hypothesis import strategies as st
from packing import zip_of

import sheepfold.client.unpack as unpack_module
from sheepfold.client.unpack import UnpackError, safe_name, unpack


def save(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    return path


def encrypted(files: dict[str, bytes], password: str) -> bytes:
    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as zipped:
        zipped.setpassword(password.encode())
        for name, content in files.items():
            zipped.writestr(name, content)
    return out.getvalue()


# What `zip -P sheep` makes of a file `a.blend` with the content "scene": the old encryption, ZipCrypto.
ZIP_CRYPTO = bytes.fromhex(
    "504b03040a00090000008b66785ddaef79d9110000000500000007000000612e626c656e647f898d6adfb2bb5ebe70c9fe59"
    "9edb9ecf504b0708daef79d91100000005000000504b01021e030a00090000008b66785ddaef79d911000000050000000700"
    "00000000000001000000a48100000000612e626c656e64504b0506000000000100010035000000460000000000"
)


def test_files_folders_and_executable_bits(tmp_path: Path) -> None:
    archive = save(tmp_path, zip_of({"rend.exe": b"x", "lib/deep/a.so": b"y"}))
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out/lib/deep/a.so").read_bytes() == b"y"
    assert (tmp_path / "out/rend.exe").stat().st_mode & 0o111 == 0o111
    assert not (tmp_path / "out.partial").exists()


def test_named_file_becomes_executable(tmp_path: Path) -> None:
    unpack(save(tmp_path, zip_of({"rend.exe": b"x"}, mode=0o600)), tmp_path / "out", executables=("rend.exe",))
    assert (tmp_path / "out/rend.exe").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("content", [ZIP_CRYPTO, encrypted({"a.blend": b"scene"}, "sheep")], ids=["old", "AES"])
def test_encrypted_archive_needs_its_password(content: bytes, tmp_path: Path) -> None:
    archive = save(tmp_path, content)
    unpack(archive, tmp_path / "out", "sheep")
    assert (tmp_path / "out/a.blend").read_bytes() == b"scene"
    for number, password in enumerate(("", "wolf")):
        with pytest.raises(UnpackError):
            unpack(archive, tmp_path / f"out{number}", password)
        assert not (tmp_path / f"out{number}").exists()


def test_password_for_a_plain_archive_is_no_harm(tmp_path: Path) -> None:
    unpack(save(tmp_path, zip_of({"a": b"x"})), tmp_path / "out", "sheep")
    assert (tmp_path / "out/a").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "c:evil"])
def test_names_that_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    archive = save(tmp_path, zip_of({"good": b"x", name: b"y"}))
    with pytest.raises(UnpackError, match="outside"):
        unpack(archive, tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive.zip", "deep"]


def test_links_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        zipped.writestr(info, "/etc/passwd")
    with pytest.raises(UnpackError, match="neither file nor folder"):
        unpack(save(tmp_path, out.getvalue()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archive_larger_than_the_disk_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytearray(zip_of({"bomb": b"x"}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    monkeypatch.setattr(unpack_module, "_KEEP_FREE", 10**18)
    with pytest.raises(UnpackError, match="there is room for 0"):
        unpack(save(tmp_path, bytes(content)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_damaged_archives_are_refused_and_leave_nothing(damage: str, tmp_path: Path) -> None:
    whole = zip_of({"a.blend": bytes(range(256)) * 400})
    content = {
        "empty": b"",
        "text": b"not a zip at all",
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:60] + bytes(byte ^ 0xFF for byte in whole[60:90]) + whole[90:],
    }[damage]
    with pytest.raises(UnpackError):
        unpack(save(tmp_path, content), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive.zip"]


@given(st.text(alphabet="ab./\\:\0 \u00e9", max_size=30))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("/somewhere/inside")
    try:
        target = Path(os.path.normpath(folder / safe_name(name)))
    except UnpackError:
        return
    assert target == folder or folder in target.parents
