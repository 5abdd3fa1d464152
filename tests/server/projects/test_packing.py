"""Scene archives for machines."""

import zipfile
from pathlib import Path

import pytest
import pyzipper  # type: ignore[import-untyped]

from sheepfold.server.projects.archives import inspect
from sheepfold.server.projects.names import BadArchive
from sheepfold.server.projects.packing import pack_scene, unpack_blends

BLEND = b"BLENDER-v304REND" + bytes(range(256)) * 40


def upload_of(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def pack(upload: Path, name: str, password: str = "") -> Path:
    target = upload.with_suffix(".packed")
    pack_scene(upload, inspect(upload, name), target, password)
    return target


def test_a_blend_is_packed_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(BLEND)

    with zipfile.ZipFile(pack(tmp_path / "upload", "farm: dusk.blend")) as archive:
        assert archive.namelist() == ["farm_ dusk.blend"]
        assert archive.read("farm_ dusk.blend") == BLEND


def test_a_zip_is_packed_anew_without_junk(tmp_path: Path) -> None:
    files = {"film/textures/wool.png": b"png", "film\\shot.blend": BLEND, "__MACOSX/x": b"x", "film/old.blend1": b"x"}

    with zipfile.ZipFile(pack(upload_of(tmp_path / "upload", files), "film.zip")) as archive:
        assert archive.namelist() == ["film/", "film/textures/", "film/shot.blend", "film/textures/wool.png"]
        assert archive.read("film/shot.blend") == BLEND


def test_the_same_files_packed_differently_give_the_same_archive(tmp_path: Path) -> None:
    one = upload_of(tmp_path / "one", {"a.blend": BLEND, "b.png": b"png"}, zipfile.ZIP_STORED)
    two = upload_of(tmp_path / "two", {"b.png": b"png", "a.blend": BLEND}, zipfile.ZIP_LZMA)

    assert pack(one, "one.zip").read_bytes() == pack(two, "two.zip").read_bytes()


def test_with_a_password(tmp_path: Path) -> None:
    target = pack(upload_of(tmp_path / "upload", {"a.blend": BLEND}), "a.zip", password="fold")

    with pyzipper.AESZipFile(target) as archive:
        archive.setpassword(b"fold")
        assert archive.read("a.blend") == BLEND


def test_damage_in_the_middle_is_a_refusal(tmp_path: Path) -> None:
    upload = upload_of(tmp_path / "upload", {"a.blend": BLEND, "b.bin": BLEND}, zipfile.ZIP_STORED)
    data = bytearray(upload.read_bytes())
    data[data.rfind(BLEND) + 5000] ^= 0xFF
    upload.write_bytes(data)

    with pytest.raises(BadArchive, match=r"the \.zip is damaged"):
        pack(upload, "a.zip")


def test_only_scenes_are_unpacked_for_a_look(tmp_path: Path) -> None:
    upload = upload_of(tmp_path / "upload", {"a.blend": BLEND, "lib/p.blend": BLEND, "wool.png": b"png"})
    folder = tmp_path / "look"
    folder.mkdir()

    unpack_blends(upload, inspect(upload, "a.zip"), folder)

    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"a.blend": BLEND, "lib/p.blend": BLEND}
