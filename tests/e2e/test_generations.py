"""One farm, ten years of clients, one real Blender: every frame done once, none lost, points right."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db.models import Count, Sum

from sheepfold.server.accounts.actions import create_render_key, create_user
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import store
from sheepfold.server.core.switches import FarmSwitch, set_switch
from sheepfold.server.core.zip_writer import file_of, write_zip
from sheepfold.server.dispatch.models import Lease, LeaseEnd
from sheepfold.server.frames.models import TileStatus
from sheepfold.server.machines.models import Machine, Session
from sheepfold.server.pipeline import trials
from sheepfold.server.pipeline.heartbeats import expire_due
from sheepfold.server.pipeline.sealing import seal
from sheepfold.server.projects.models import Project, ProjectStatus, Visibility
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.results.models import ErrorLog, PointsEntry, PointsKind, Result, Verdict
from sheepfold.server.results.points import price
from tests.e2e.clients import CLIENTS
from tests.e2e.clients.blender import blender_output
from tests.e2e.clients.client import Client, Job
from tests.e2e.clients.java_url import Java2016
from tests.e2e.clients.wire import Wire
from tests.server.conftest import Server, server
from tests.server.farm import make_project, make_user, statuses

__all__ = ["server"]  # the fixture

SCENES = Path(__file__).parents[2] / "bench" / "scenes"
FRAMES = 24
BLENDERS = 2  # at once
LAUNCHER = b'#!/bin/sh\nexec blender "$@"\n'
PLATFORMS = ("linux", "windows")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trivial scene of the benches."""
    target = tmp_path_factory.mktemp("scene") / "trivial.blend"
    script = SCENES / "trivial.py"
    blender_output(["blender", "-b", "--factory-startup", "-P", str(script), "--", str(target), str(FRAMES)])
    return target


@pytest.fixture
def project(transactional_db: None, scene: Path, tmp_path: Path) -> Project:
    """24 frames in a scene archive as machines get it, and renderers that start this machine's Blender."""
    renderer = Renderer.objects.create(version="3.4.1")
    blob = record_blob(ref=store().keep(renderer_archive(tmp_path), "application/zip"))
    for os in PLATFORMS:
        RendererArchive.objects.create(renderer=renderer, os=os, bits=64, blob=blob, source="test")
    packed = tmp_path / "scene.zip"
    write_zip(packed, [file_of(scene, "scenes/deep/trivial.blend")])
    archive = record_blob(ref=store().keep(packed, "application/zip"))
    return make_project(
        tiles=FRAMES,
        owner=make_user("owner"),
        renderer=renderer,
        archive=archive,
        blend_path="scenes/deep/trivial.blend",
        width=160,
        height=90,
    )


def renderer_archive(folder: Path) -> Path:
    """The launcher in SheepIt's layout."""
    launcher, target = folder / "launcher.sh", folder / "renderer.zip"
    launcher.write_bytes(LAUNCHER)
    write_zip(target, [file_of(launcher, "rend.exe", executable=True)])
    return target


@dataclass
class MixedFarm:
    """The machines of one test. All take their first job before any of them renders."""

    server: Server
    folder: Path
    machines: int
    blender: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(BLENDERS))

    def __post_init__(self) -> None:
        self.everybody_has_a_job = threading.Barrier(self.machines)

    def client(self, generation: str) -> Client:
        """A machine of somebody of the same name, with a key."""
        user = create_user(username=generation, password=f"password of {generation}")
        _, key = create_render_key(user=user, name="box")
        return CLIENTS[generation](Wire(self.server.host, self.server.port), generation, key)

    def work(self, client: Client) -> list[str]:
        """What the machine does until there is no more work; the frames that it sent."""
        sent: list[str] = []
        client.login()
        job = client.ask()
        self.everybody_has_a_job.wait(timeout=60)
        while job is not None:
            image = self.render(client, job)
            following = None if client.at_once(job) else client.ask()
            if client.upload(job, image, 1, 100_000) != 0:
                raise AssertionError(f"{client.generation}: frame {job.frame} was refused")
            sent.append(job.frame)
            job = following or client.ask()
        client.logout()
        client.wire.close()
        return sent

    def render(self, client: Client, job: Job) -> bytes:
        """Fetch, render with a heartbeat, and take the image."""
        client.fetch(job)
        folder = self.folder / f"{client.generation}-{job.frame}"
        folder.mkdir()
        with self.blender:
            image = client.render(job, folder)
        if client.beat(job, 1, 0) != 0:
            raise AssertionError(f"{client.generation}: frame {job.frame} was stopped")
        return image


def render_and_vanish(farm: MixedFarm, client: Client) -> str:
    """The client in Go: one frame, which it keeps. Then the farm hears nothing of it for too long."""
    client.login()
    job = client.ask()
    assert job is not None
    image = farm.render(client, job)
    assert image.startswith(b"\x89PNG")
    client.wire.close()
    Session.objects.update(expires_at=now())
    expire_due(now=now())
    return job.frame


@pytest.fixture
def farm(server: Server, tmp_path: Path) -> MixedFarm:
    folder = tmp_path / "machines"
    folder.mkdir()
    return MixedFarm(server, folder, machines=len([name for name in CLIENTS if CLIENTS[name].uploads]))


def test_every_client_of_ten_years_renders_in_one_farm(farm: MixedFarm, project: Project) -> None:
    kept_frame = render_and_vanish(farm, farm.client("go-2017"))
    clients = [farm.client(name) for name in CLIENTS if CLIENTS[name].uploads]

    with ThreadPoolExecutor(len(clients)) as pool:
        sent = dict(zip([one.generation for one in clients], pool.map(farm.work, clients), strict=True))

    assert statuses(project) == [TileStatus.DONE] * FRAMES
    assert Project.objects.get().status == ProjectStatus.FINISHED
    assert sorted(frame for frames in sent.values() for frame in frames) == [f"{n:04d}" for n in range(1, FRAMES + 1)]
    assert [name for name, frames in sent.items() if not frames] == []
    assert kept_frame == "0001"
    assert ErrorLog.objects.filter(project_id=project.pk).count() == 0
    check_results(project)
    check_points(sent)


def test_clients_that_open_encrypted_scenes_render_a_private_project(
    farm: MixedFarm, project: Project, scene: Path
) -> None:
    upload = record_blob(ref=store().keep_bytes(scene.read_bytes(), "application/octet-stream"))
    able = ("java-2016", "java-2022", "rust-2024", "sheepfold")
    farm.everybody_has_a_job = threading.Barrier(len(able))
    owner = create_user(username="ada", password="password of ada")
    _, key = create_render_key(user=owner, name="boxes")
    changes = {"owner": owner, "visibility": Visibility.OWNER, "upload": upload, "upload_name": "trivial.blend"}
    Project.objects.update(blend_path="trivial.blend", **changes)
    project.tiles.filter(frame__gt=len(able)).delete()
    seal(project.pk)
    clients = [CLIENTS[name](Wire(farm.server.host, farm.server.port), "ada", key) for name in able]
    show_that_it_is_newer(clients[0])

    with ThreadPoolExecutor(len(clients)) as pool:
        sent = list(pool.map(farm.work, clients))

    assert [len(frames) for frames in sent] == [1, 1, 1, 1]
    assert statuses(project) == [TileStatus.DONE] * len(able)
    packed = Project.objects.select_related("archive").get().archive
    assert packed is not None
    sealed = store().read(packed.sha256)
    assert [any(sealed in answer for _, answer in client.wire.exchanges) for client in clients] == [True] * 4
    assert scene.read_bytes()[:64] not in sealed


@pytest.mark.parametrize("generation", ["java-2015", "java-2022"])
def test_machine_proves_itself_with_a_test_frame(
    farm: MixedFarm, project: Project, tmp_path: Path, generation: str
) -> None:
    trials.set_up()
    set_switch(switch=FarmSwitch.TEST_MACHINES, on=True)
    client = farm.client(generation)
    client.login()

    test = client.ask()
    assert test is not None
    assert (test.id, client.at_once(test)) == ("1", True)
    image = farm.render(client, test)
    assert client.upload(test, image, 1, 100_000) == 0

    work = client.ask()
    set_switch(switch=FarmSwitch.TEST_MACHINES, on=False)
    assert work is not None
    assert (work.id, work.frame) == (str(project.pk), "0001")
    machine = Machine.objects.get(user__username=generation)
    assert (machine.cpu_power, machine.gpu_power) == (500.0, None)  # it says that 5 s of work took it one


def show_that_it_is_newer(client: Client) -> None:
    """Its job requests have `ram_max` from 2017-03 on; before, it counts as one of 2015 at first."""
    assert isinstance(client, Java2016)
    words = client.job_parameters()
    client.job_parameters = lambda: [*words, ("ram_max", "-1")]  # type: ignore[method-assign]


def check_results(project: Project) -> None:
    """Each frame once, of the right size, no two the same, and every lease ended as it should."""
    results = Result.objects.all()
    assert set(results.values_list("verdict", "width", "height", "format")) == {(Verdict.ACCEPTED, 160, 90, "PNG")}
    assert results.count() == results.values("blob_id").distinct().count() == FRAMES
    ends = dict(Lease.objects.values_list("end").annotate(Count("id")))
    assert ends == {LeaseEnd.ACCEPTED: FRAMES, LeaseEnd.EXPIRED: 1}


def check_points(sent: dict[str, list[str]]) -> None:
    """Whoever sent a frame got its price, its owner paid as much, and the client that sent none got nothing."""
    rendered = PointsEntry.objects.filter(kind=PointsKind.RENDERED)
    assert dict(rendered.values_list("user__username").annotate(Count("id"))) == {
        name: len(frames) for name, frames in sent.items()
    }
    for entry in rendered.select_related("result"):
        assert entry.result is not None
        assert entry.millipoints == price(entry.result.rendertime)
    assert PointsEntry.objects.aggregate(total=Sum("millipoints"))["total"] == 0
    spent = PointsEntry.objects.filter(kind=PointsKind.SPENT)
    assert set(spent.values_list("user__username", flat=True)) == {"owner"}
