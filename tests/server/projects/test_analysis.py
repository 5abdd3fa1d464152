"""What is read out of scenes that real Blenders saved."""

import gzip
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import OpenImageIO
import pytest
import zstandard

from sheepfold.server.projects.analysis import analyse, problems
from sheepfold.server.projects.analysis_process import analyse_apart
from sheepfold.server.projects.archives import ArchiveLimits, Contents, inspect
from sheepfold.server.projects.blend_scene import version_of
from sheepfold.server.projects.decompression import make_plain
from sheepfold.server.projects.dependencies import is_there
from sheepfold.server.projects.facts import (
    Crop,
    ExternalFile,
    FileKind,
    Problem,
    ProblemKind,
    Report,
    SceneFacts,
    Severity,
)
from sheepfold.server.projects.names import BadArchive

SCENES = Path(__file__).parent / "scenes"
VERSIONS = ("3.4", "4.2", "5.0")
NAMES = ("rich.blend", "plain.blend", "lib/props.blend", "textures/grass.png", "tiles/skin.1001.png", "other/sky.png")
OUTSIDE = "choose File › External Data › Make Paths Relative, then upload the scene's folder as .zip"
PACK = "is missing; choose File › External Data › Pack Resources, or upload the scene's folder as .zip"


@pytest.fixture(scope="session")
def blender_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenes, saved by the Blender of this machine."""
    folder = tmp_path_factory.mktemp("scenes")
    command = ["blender", "-b", "--factory-startup", "-P", str(SCENES / "make.py"), "--", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(params=VERSIONS)
def scenes(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the scenes of one Blender version: of the installed one fresh, of the others as kept here."""
    kept = SCENES / request.param
    source = kept if kept.exists() else request.getfixturevalue("blender_scenes")
    return Path(shutil.copytree(source, tmp_path / request.param))


def facts_of_plain(version: str = "3.4") -> SceneFacts:
    return SceneFacts(
        version=version,
        scene="Plain",
        scenes=("Plain",),
        frame_start=3,
        frame_end=21,
        frame_step=2,
        fps=29.97,
        width=321,
        height=201,
        percentage=50,
        crop=Crop(0.25, 0.75, 0.10000000149011612, 0.6000000238418579),  # as 32 bits keep them
        engine="CYCLES",
        samples=7,
        file_format="OPEN_EXR",
        color_mode="RGBA",
        camera="Eye",
        uses_gpu=False,
        stereo=False,
        writes_files=False,
        scripts=(),
        drivers=(),
        unbaked=(),
        size=0,
    )


def test_facts_of_a_scene_without_trouble(scenes: Path) -> None:
    report = analyse(scenes, "plain.blend", NAMES)

    assert replace(report.facts, size=0) == facts_of_plain(scenes.name)
    assert report.facts.frames == "3-21x2"
    assert report.facts.size > 300_000
    assert report.problems == ()
    assert report.refusal == ""


def test_every_trouble_is_named_and_told_in_the_same_words_for_every_version(scenes: Path) -> None:
    report = analyse(scenes, "rich.blend", NAMES)

    assert report.facts.scenes == ("Aside", "Trouble")
    assert report.refusal == "the scene `Trouble` has no camera; add one and make it active"
    assert [(one.kind, one.text) for one in report.problems[1:]] == [
        (ProblemKind.MOVIE, "its output is a film: the farm renders PNG frames and makes the film of them at the end"),
        (ProblemKind.SEVERAL_SCENES, "of 2 scenes in the file `Trouble` is rendered, not the other 1"),
        (ProblemKind.STEREO, "it renders in stereo: only one image a frame is kept; turn Stereoscopy off"),
        (ProblemKind.MISSING_FILE, f"the image `//../textures/wood.png` (used by wood) {PACK}"),
        (ProblemKind.MISSING_FILE, f"the sound `//bleat.wav` (used by bleat.wav) {PACK}"),
        (ProblemKind.MISSING_FILE, f"the image `//seq/cloud_0001.png` (used by cloud_0001) {PACK}"),
        (
            ProblemKind.MISSING_FILE,
            "the image `//textures/Grass.png` (used by Grass) is missing; "
            "the upload has `textures/grass.png`: give it the same name and place",
        ),
        (ProblemKind.MISSING_FILE, f"the image `//textures/wool.png` (used by wool) {PACK}"),
        (
            ProblemKind.ABSOLUTE_PATH,
            "the image `/home/artist/sky.png` (used by sky) is outside the upload: "
            f"the upload has `other/sky.png`: {OUTSIDE}",
        ),
        (
            ProblemKind.FILE_OUTPUT,
            "File Output nodes of the compositor write nothing on the farm: only the rendered image is kept",
        ),
        (ProblemKind.SCRIPT, "the script `herd.py` does not run on machines of others: apply what it does"),
        (
            ProblemKind.DRIVER,
            "the driver `herd(frame)` needs Python, which is off on machines of others: bake it to keyframes",
        ),
        (ProblemKind.UNBAKED, "the simulation (cloth of Sheep) is not baked: bake it, or frames will not fit"),
    ]


def test_facts_survive_json(scenes: Path) -> None:
    facts = analyse(scenes, "rich.blend", NAMES).facts

    assert SceneFacts.from_json(facts.to_json()) == facts


def test_a_library_outside_the_upload_is_named_but_not_opened(scenes: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    shutil.move(scenes / "rich.blend", inner / "rich.blend")
    shutil.move(scenes / "lib", tmp_path / "lib")  # what `//lib/../../lib/props.blend` would reach

    files = analyse(inner, "rich.blend", ["rich.blend"]).facts.files

    library = ExternalFile(FileKind.LIBRARY, "//lib/props.blend", "props.blend", "lib/props.blend")
    assert [file for file in files if file.kind is FileKind.LIBRARY] == [library]
    assert not any("wood.png" in file.path for file in files)


def test_the_size_of_a_crop_is_what_blender_writes(blender_scenes: Path, tmp_path: Path) -> None:
    command = ["blender", "-b", str(blender_scenes / "plain.blend"), "-o", f"{tmp_path}/", "-x", "1", "-f", "3"]
    subprocess.run(command, check=True, capture_output=True)

    image = OpenImageIO.ImageInput.open(str(tmp_path / "0003.exr"))
    assert image is not None
    assert (image.spec().width, image.spec().height) == facts_of_plain().size_at(50) == (80, 50)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, lambda data: b"".join(map(frame, halves(data)))])
def test_compressed_scenes_are_read_like_plain_ones(blender_scenes: Path, tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "plain.blend").write_bytes(pack((blender_scenes / "plain.blend").read_bytes()))

    assert replace(analyse(tmp_path, "plain.blend", NAMES).facts, size=0) == facts_of_plain()


def frame(data: bytes) -> bytes:
    return zstandard.compress(data)


def halves(data: bytes) -> tuple[bytes, bytes]:
    """Blender writes one frame of Zstandard after another."""
    return data[: len(data) // 2], data[len(data) // 2 :]


def test_a_compressed_bomb_is_refused_and_leaves_no_large_file(tmp_path: Path) -> None:
    path = tmp_path / "bomb.blend"
    path.write_bytes(zstandard.compress(b"BLENDER" + bytes(1 << 24)))

    with pytest.raises(BadArchive, match=r"`bomb\.blend` unpacks to more than"):
        make_plain(path, ArchiveLimits(free=1 << 20))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"BLENDER-v304" + b"no Blender file at all",
        lambda data: data[: len(data) // 2],
        lambda data: data[:12] + b"\xff" * 400 + data[412:],
        lambda data: b"BLENDER-v304RENDH\0\0\0",
    ],
    ids=["noise", "truncated", "overwritten", "empty"],
)
def test_a_damaged_scene_is_refused(blender_scenes: Path, tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "plain.blend").write_bytes(damage((blender_scenes / "plain.blend").read_bytes()))

    with pytest.raises(BadArchive, match=r"`plain\.blend` is damaged or was not saved by Blender"):
        analyse(tmp_path, "plain.blend", NAMES)


@pytest.mark.parametrize(("number", "text"), [(279, "2.79"), (280, "2.80"), (304, "3.4"), (402, "4.2"), (500, "5.0")])
def test_versions_in_people_s_words(number: int, text: str) -> None:
    assert version_of(number) == text


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"frame_end": 2}, ProblemKind.NO_FRAMES, "its last frame (2) lies before its first (3)"),
        ({"frame_start": -5}, ProblemKind.NO_FRAMES, "the farm renders 0 to 1048574"),
        ({"width": 70_000, "crop": None, "percentage": 100}, ProblemKind.SIZE, "more than machines can hold"),
        ({"width": 1, "crop": None}, ProblemKind.SIZE, "its images are 0 × 100 pixels"),
        ({"engine": "LUXCORE"}, ProblemKind.ENGINE, "`LUXCORE` is an add-on"),
    ],
)
def test_what_cannot_be_rendered_is_refused(change: dict[str, object], kind: ProblemKind, words: str) -> None:
    found = problems(replace(facts_of_plain(), **change), [])  # type: ignore[arg-type]

    assert [(one.kind, one.severity) for one in found] == [(kind, Severity.REFUSE)]
    assert words in found[0].text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"engine": "BLENDER_EEVEE_NEXT"},
            Problem(
                ProblemKind.ENGINE,
                Severity.WARN,
                "EEVEE needs a graphics card: machines without one cannot render it",
            ),
        ),
        (
            {"file_format": "CINEON"},
            Problem(ProblemKind.MOVIE, Severity.WARN, "its output format (CINEON) is not offered: frames become PNG"),
        ),
    ],
)
def test_what_can_be_rendered_otherwise_is_told(change: dict[str, object], problem: Problem) -> None:
    assert problems(replace(facts_of_plain(), **change), []) == [problem]  # type: ignore[arg-type]


def test_many_missing_files_are_counted() -> None:
    files = tuple(ExternalFile(FileKind.IMAGE, f"//{n}.png", "x", f"{n}.png") for n in range(25))

    found = problems(replace(facts_of_plain(), files=files), [])

    assert len(found) == 21
    assert found[-1].text == "5 more files are missing"


@pytest.mark.parametrize(
    ("place", "names", "there"),
    [
        ("seq/cloud_0001.png", ["seq/cloud_0200.png"], True),
        ("seq/cloud_0001.png", ["seq/cloud_0200.exr"], False),
        ("seq/cloud_0001.png", ["other/cloud_0001.png"], False),
        ("skin.<UDIM>.png", ["skin.1002.png"], True),
        ("skin.<UDIM>.png", ["skin.png"], False),
        ("cache_fluid", ["cache_fluid/data/1.vdb"], True),
        ("blendcache/x_*.bphys", ["blendcache/x_000001_00.bphys"], True),
        ("odd[1].png", ["odd[1].png"], True),
        ("", ["x"], False),
    ],
)
def test_a_sequence_is_there_if_any_of_it_is(place: str, names: list[str], there: bool) -> None:
    assert is_there(ExternalFile(FileKind.IMAGE, "//x", "x", place, sequence=True), names) is there


def contents(upload: Path, name: str) -> Contents:
    return inspect(upload, name)


def test_a_process_of_its_own_finds_the_same(blender_scenes: Path, tmp_path: Path) -> None:
    upload = blender_scenes / "plain.blend"
    work = tmp_path / "work"
    work.mkdir()

    report = analyse_apart(upload, contents(upload, "my.blend"), "my.blend", work)

    assert replace(report, facts=replace(report.facts, size=0)) == Report(facts_of_plain(), ())
    assert list(work.iterdir()) == []


def test_a_zip_is_looked_into_with_its_libraries(blender_scenes: Path, tmp_path: Path) -> None:
    upload = Path(shutil.make_archive(str(tmp_path / "film"), "zip", blender_scenes))

    report = analyse_apart(upload, contents(upload, "film.zip"), "rich.blend", tmp_path)

    assert ExternalFile(FileKind.IMAGE, "//../textures/wood.png", "wood", "textures/wood.png") in report.facts.files


def test_a_refusal_comes_through_the_process(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"BLENDER-v304" + bytes(100))

    with pytest.raises(BadArchive, match=r"`a\.blend` is damaged or was not saved by Blender"):
        analyse_apart(upload, contents(upload, "a.blend"), "a.blend", tmp_path)
