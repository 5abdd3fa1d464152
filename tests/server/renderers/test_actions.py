"""Renderers of a farm: archives per platform, one default, launchers never in the place of whole archives."""

import io
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sheepfold.server.core.config import config
from sheepfold.server.core.errors import Conflict, NotFound
from sheepfold.server.core.storage import BlobRef, store
from sheepfold.server.renderers import actions
from sheepfold.server.renderers.builds import BadRenderer, PackedRenderer, SourceKind
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.renderers.platforms import Platform
from sheepfold.server.renderers.queries import archive_for, choose_renderer, renderers

pytestmark = pytest.mark.django_db

LINUX = PackedRenderer("4.2.1", Platform("linux", 64), SourceKind.RELEASE)


def ref(letter: str) -> BlobRef:
    return BlobRef(letter * 64, letter * 32, 10, "application/zip")


def add(packed: PackedRenderer, letter: str) -> RendererArchive:
    return actions.record_archive(packed=packed, ref=ref(letter))


def defaults() -> list[str]:
    return list(Renderer.objects.filter(is_default=True).values_list("version", flat=True))


def test_archives_of_one_version_stand_together_and_the_newest_version_first() -> None:
    add(LINUX, "a")
    add(replace(LINUX, platform=Platform("windows", 64)), "b")
    add(replace(LINUX, version="5.0.0"), "c")
    newest, older = renderers()
    assert (newest.version, older.version) == ("5.0.0", "4.2.1")
    assert [str(archive.platform) for archive in older.archives] == ["linux 64 bit", "windows 64 bit"]
    assert newest.missing([Platform("windows", 64), Platform("linux", 64)]) == (Platform("windows", 64),)


def test_the_first_renderer_is_the_default_until_another_is_chosen() -> None:
    add(LINUX, "a")
    other = add(replace(LINUX, version="5.0.0"), "b")
    assert defaults() == ["4.2.1"]
    actions.set_default_renderer(renderer_id=other.renderer_id)
    assert defaults() == ["5.0.0"]
    with pytest.raises(NotFound):
        actions.set_default_renderer(renderer_id=0)
    assert defaults() == ["5.0.0"]


def test_adding_the_same_platform_again_replaces_its_archive() -> None:
    first, second = add(LINUX, "a"), add(LINUX, "b")
    assert first.pk == second.pk
    found = archive_for(second.renderer_id, Platform("linux", 64))
    assert found is not None
    assert found.blob.md5 == "b" * 32
    assert archive_for(second.renderer_id, Platform("mac", 64)) is None


def test_a_launcher_of_an_installed_blender_gives_way_to_a_whole_archive_and_not_the_other_way_round() -> None:
    launcher = replace(LINUX, kind=SourceKind.INSTALLED)
    add(launcher, "a")
    add(LINUX, "b")
    with pytest.raises(Conflict, match="here already, complete"):
        add(launcher, "c")
    assert list(RendererArchive.objects.values_list("blob_id", "local_only")) == [("b" * 64, False)]


def test_a_renderer_without_any_archive_is_not_chosen() -> None:
    archive = add(LINUX, "a")
    assert choose_renderer((4, 2)).renderer_id == archive.renderer_id
    actions.remove_archive(archive_id=archive.pk)
    assert choose_renderer((4, 2)).renderer_id is None
    with pytest.raises(NotFound):
        actions.remove_archive(archive_id=archive.pk)


def test_the_blender_of_this_machine_becomes_a_renderer_and_adding_it_again_changes_nothing() -> None:
    program = shutil.which("blender")
    assert program is not None
    first = actions.add_renderer(path=Path(program))
    again = actions.add_renderer(path=Path(program))
    assert (first.pk, first.blob_id) == (again.pk, again.blob_id)
    (fact,) = renderers()
    (archive,) = fact.archives
    assert (fact.is_default, archive.local_only, archive.source) == (True, True, "installed")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"Blender {fact.version}")
    with zipfile.ZipFile(io.BytesIO(store().read(archive.sha256))) as packed:
        assert packed.namelist() == ["rend.exe"]


def test_what_is_no_blender_leaves_no_renderer_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "blender.zip").write_bytes(b"no zip")
    for path in (tmp_path / "blender.zip", tmp_path / "nothing", tmp_path):
        with pytest.raises(BadRenderer):
            actions.add_renderer(path=path)
    assert renderers() == []
    assert list(config().tmp_dir.glob("*.zip")) == []
