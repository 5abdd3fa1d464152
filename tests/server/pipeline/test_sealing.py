"""Scenes for some machines only: encrypted before any machine gets them, given only to clients that can open them."""

import io

import pytest
import pyzipper

from sheepfold.protocol.codes import ArchiveKind, WorkStatus
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.protocol.messages import ArchiveRequest, WorkRequest
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.models import Session
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.pipeline.downloads import ArchiveQuery, find_archives
from sheepfold.server.pipeline.sealing import seal
from sheepfold.server.pipeline.work import WorkDesk, WorkQuery, WorkReply
from sheepfold.server.projects.models import Project, Visibility
from sheepfold.server.projects.queries import waiting_for_sealing
from tests.server.farm import make_project, make_session, statuses

pytestmark = pytest.mark.django_db

SCENE = b"BLENDER-v300 a sheep"


@pytest.fixture
def project() -> Project:
    """For its owner's machines only, uploaded as one .blend, not yet encrypted."""
    upload = record_blob(ref=store().keep_bytes(SCENE, "application/octet-stream"))
    return make_project(visibility=Visibility.OWNER, upload=upload, upload_name="scene.blend")


def ask(session: SessionFacts, **sent: str) -> WorkReply:
    query = WorkQuery(session.token_hash, WorkRequest(), frozenset(sent))
    return WorkDesk().serve_work([query])[0]


def session_of(project: Project, generation: Generation) -> SessionFacts:
    from sheepfold.server.core.clock import now

    session = make_session(user=project.owner, now=now())
    Session.objects.filter(pk=session.id).update(generation=generation)
    return session


def test_scene_is_encrypted_with_a_password_that_the_job_has(project: Project) -> None:
    session = session_of(project, Generation.JAVA_2022)

    seal(project.pk)

    job = ask(session).job
    assert job is not None
    sealed = Project.objects.select_related("archive").get(pk=project.pk)
    assert (job.password, job.archive_md5) == (sealed.archive_password, sealed.archive and sealed.archive.md5)
    archive = store().read(sealed.archive_id or "")
    with pyzipper.AESZipFile(io.BytesIO(archive)) as zipped:
        assert SCENE not in archive
        assert zipped.read("scene.blend", pwd=job.password.encode()) == SCENE


def test_nobody_gets_a_tile_before_the_scene_is_encrypted(project: Project) -> None:
    session = session_of(project, Generation.JAVA_2022)

    assert ask(session).status == WorkStatus.NO_JOB
    assert statuses(project) == [TileStatus.WAITING] * 3


@pytest.mark.parametrize("generation", list(Generation))
def test_encrypted_scene_goes_to_every_client_that_opens_it_and_no_other_trap_22(
    project: Project, generation: Generation
) -> None:
    seal(project.pk)
    session = session_of(project, generation)

    opens = traits_of(generation).decrypts
    assert ask(session).status == (WorkStatus.OK if opens else WorkStatus.NO_JOB)
    assert statuses(project).count(TileStatus.RENDERING) == int(opens)


def test_sealing_twice_changes_nothing(project: Project) -> None:
    seal(project.pk)
    before = Project.objects.values().get(pk=project.pk)

    seal(project.pk)

    assert Project.objects.values().get(pk=project.pk) == before
    assert waiting_for_sealing() == []


def test_project_for_everybody_stays_plain(project: Project) -> None:
    Project.objects.update(visibility=Visibility.EVERYBODY)

    seal(project.pk)

    assert Project.objects.get(pk=project.pk).archive_password == ""


def test_client_that_turns_out_newer_gets_encrypted_scenes(project: Project) -> None:
    seal(project.pk)
    session = session_of(project, Generation.JAVA_2015)

    assert ask(session).status == WorkStatus.NO_JOB
    assert ask(session, ram_max="-1").status == WorkStatus.OK
    assert Session.objects.get(pk=session.id).generation == Generation.JAVA_2016


@pytest.mark.parametrize(
    ("revision", "generation"), [(0, Generation.JAVA_2015), (None, Generation.JAVA_2016)], ids=["named", "not named"]
)
def test_download_of_a_scene_tells_2016_from_2015(revision: int | None, generation: Generation) -> None:
    project = make_project()
    session = session_of(project, Generation.JAVA_2015)
    assert ask(session).status == WorkStatus.OK

    found = find_archives([ArchiveQuery(session.token_hash, ArchiveRequest(ArchiveKind.SCENE, project.pk, revision))])

    assert [archive.md5 for archive in found if archive] == [project.archive and project.archive.md5]
    assert Session.objects.get(pk=session.id).generation == generation
