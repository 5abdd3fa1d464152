"""What is taken, and what is refused, of the archives that people upload."""

import gzip
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import pyzipper  # type: ignore[import-untyped]
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheepfold.server.projects.archives import ArchiveLimits, Kind, blend_compression, choose_blend, inspect
from sheepfold.server.projects.names import BadArchive, clean_path, safe_name

BLEND = b"BLENDER-v304REND" + bytes(32)


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def refusal(path: Path, name: str = "scene.zip", limits: ArchiveLimits | None = None) -> str:
    with pytest.raises(BadArchive) as caught:
        inspect(path, name, limits or ArchiveLimits())
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "kind"),
    [(BLEND, "plain"), (gzip.compress(BLEND), "gzip"), (zstandard.compress(BLEND), "zstd"), (b"PK\x03\x04", None)],
)
def test_a_blend_is_known_by_its_first_bytes(data: bytes, kind: str | None) -> None:
    assert blend_compression(data) == kind


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_single_blend_is_its_own_scene(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "upload"
    path.write_bytes(pack(BLEND))

    contents = inspect(path, "My scene.blend")

    assert contents.kind is Kind.BLEND
    assert contents.blends == ("My scene.blend",)
    assert contents.size == path.stat().st_size


def test_files_of_a_zip_without_what_systems_leave_behind(tmp_path: Path) -> None:
    files = {
        "film/shot.blend": BLEND,
        "film/shot.blend1": BLEND,
        "film/.DS_Store": b"x",
        "__MACOSX/film/._shot.blend": b"x",
        "film/textures/wool.png": b"png",
    }

    contents = inspect(make_zip(tmp_path / "a.zip", files), "a.zip")

    assert contents.kind is Kind.ZIP
    assert {entry.path: entry.size for entry in contents.entries} == {
        "film/shot.blend": len(BLEND),
        "film/textures/wool.png": 3,
    }
    assert choose_blend(contents) == "film/shot.blend"


def test_of_several_scenes_the_owner_chooses_and_the_likeliest_is_offered_first(tmp_path: Path) -> None:
    files = {"lib/props.blend": BLEND, "b.blend": BLEND, "a.blend": BLEND + b"larger", "farm.blend": BLEND}

    contents = inspect(make_zip(tmp_path / "up", files), "Farm.zip")

    assert contents.blends == ("farm.blend", "a.blend", "b.blend", "lib/props.blend")
    assert choose_blend(contents) is None
    assert choose_blend(contents, "lib/props.blend") == "lib/props.blend"
    with pytest.raises(BadArchive, match=r"no scene `other.blend` in the upload; there are: farm.blend, a.blend"):
        choose_blend(contents, "other.blend")


def test_windows_separators_become_folders(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"film/shot.blend": BLEND})
    path.write_bytes(path.read_bytes().replace(b"film/shot", b"film\\shot"))

    assert inspect(path, "a.zip").blends == ("film/shot.blend",)


def test_names_in_unmarked_utf8_as_macos_writes_them(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"aa.blend": BLEND})
    path.write_bytes(path.read_bytes().replace(b"aa.blend", "é.blend".encode()))

    assert inspect(path, "a.zip").blends == ("é.blend",)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.blend", "leads out of it"),
        ("a/../../evil.blend", "leads out of it"),
        ("a\\..\\..\\evil.blend", "leads out of it"),
        ("/etc/evil.blend", "absolute path"),
        ("C:/evil.blend", "absolute path"),
        ("a/nul.png", "keeps for devices"),
        ("COM1", "keeps for devices"),
        ("a/what?.png", "contains `?`"),
        ("a/tab\t.png", "an invisible sign (code 9)"),
        ("a./b.png", "ends in a dot"),
        ("a /b.png", "ends in a dot or a blank"),
        ("x" * 201, "too long"),
        ("a/" * 31 + "b", "too long"),
        ("./", "no name"),
    ],
)
def test_a_name_that_some_system_cannot_unpack_is_refused(tmp_path: Path, name: str, words: str) -> None:
    assert words in refusal(make_zip(tmp_path / "a.zip", {"ok.blend": BLEND, name: b"x"}))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("Wool.png", "wool.PNG", "`Wool.png` and `wool.PNG` are one file"),
        ("e\u0301.png", "\u00e9.png", "are one file"),
        ("a", "./a", "`a` is in the archive twice"),
        ("a", "A/b.png", "both a file and a folder"),
    ],
)
def test_names_that_are_one_file_elsewhere_are_refused(tmp_path: Path, first: str, second: str, words: str) -> None:
    assert words in refusal(make_zip(tmp_path / "a.zip", {"ok.blend": BLEND, first: b"1", second: b"2"}))


@pytest.mark.parametrize(("mode", "words"), [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "a device or a pipe")])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("texture.png")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")

    assert words in refusal(tmp_path / "a.zip")


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    with pyzipper.AESZipFile(tmp_path / "a.zip", "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"secret")
        archive.writestr("a.blend", BLEND)

    assert "has a password" in refusal(tmp_path / "a.zip")


def test_a_bomb_by_ratio_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND, "zeros": bytes(1 << 20)})

    assert "far more than a scene of this size" in refusal(path, limits=ArchiveLimits(free=1 << 10))


def test_a_bomb_by_size_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND})

    assert "unpacks to more than 0 GiB" in refusal(path, limits=ArchiveLimits(total=40))


def test_a_zip_inside_a_zip_is_a_file_like_any_other(tmp_path: Path) -> None:
    """It is never opened, so what it would unpack to does not matter; a scene in it is none."""
    inner = make_zip(tmp_path / "inner.zip", {"zeros": bytes(10 << 20), "b.blend": BLEND}).read_bytes()
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND, "inner.zip": inner})

    contents = inspect(path, "a.zip", ArchiveLimits(total=1 << 20))

    assert [(entry.path, entry.size) for entry in contents.entries] == [
        ("a.blend", len(BLEND)),
        ("inner.zip", len(inner)),
    ]
    assert contents.blends == ("a.blend",)


def test_a_bomb_by_number_is_refused_before_its_table_is_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{number}.blend": BLEND for number in range(11)})
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"XXXX"))  # a table that no reader could read

    assert "more than 10 files" in refusal(path, limits=ArchiveLimits(entries=10))


def test_a_bomb_by_number_that_lies_about_it_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {f"{number}.blend": BLEND for number in range(11)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.rfind(b"PK\x05\x06") + 8, 1, 1)
    path.write_bytes(data)

    assert "more than 10 files" in refusal(path, limits=ArchiveLimits(entries=10))


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND, "b.blend": BLEND})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rfind(b"PK\x01\x02") + 42, 0)  # the second starts where the first does
    path.write_bytes(data)

    assert "lie over one another" in refusal(path)


def test_a_rare_method_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND})
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.find(b"PK\x01\x02") + 10, 9)  # Deflate64
    path.write_bytes(data)

    assert "packed in a rare way" in refusal(path)


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.blend": BLEND})
    path.write_bytes(path.read_bytes()[:-30])

    assert refusal(path) == "the .zip ends too early; upload it again"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Rar!\x1a\x07", "it is a RAR archive: pack the scene's folder as .zip instead"),
        (b"\x89PNG\r\n", "save the scene in Blender"),
        (b"", "save the scene in Blender"),
    ],
)
def test_what_is_no_scene_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)

    assert words in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"readme.txt": b"hello"}, "has no .blend inside"),
        ({"scene.7z": b"7z"}, "only another archive inside"),
        ({"scene.blend": b"not Blender"}, "`scene.blend` is no Blender file"),
        ({}, "has no .blend inside"),
    ],
)
def test_a_zip_without_a_scene_is_refused(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    assert words in refusal(make_zip(tmp_path / "a.zip", files))


@given(st.text(max_size=60))
def test_a_clean_path_stays_inside_and_is_clean(name: str) -> None:
    try:
        path = clean_path(name)
    except BadArchive:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert clean_path(path) == path


@given(st.text(max_size=60))
def test_every_name_can_be_made_safe(name: str) -> None:
    safe = safe_name(name)

    assert clean_path(safe) == safe
    assert "/" not in safe


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.integers(0, 600), noise=st.binary(min_size=1, max_size=6))
def test_damage_never_ends_in_anything_but_a_refusal(tmp_path: Path, place: int, noise: bytes) -> None:
    path = make_zip(tmp_path / "a.zip", {"film/a.blend": BLEND, "film/b.png": b"png"})
    data = bytearray(path.read_bytes())
    data[place % len(data) : place % len(data) + len(noise)] = noise
    path.write_bytes(data)

    try:
        blends = inspect(path, "a.zip").blends
    except BadArchive:
        return
    assert blends
