"""Test frames for machines that have not shown what they can do (ADR 12). Off until an admin switches them on.

A machine renders the same small picture on its processor and, if it offers one, on its GPU. The picture shows whether
it renders rightly, the time how fast it is. Until then it gets nothing else.
"""

import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from importlib.resources import as_file, files

from PIL import Image, ImageChops, ImageStat

from sheepfold.protocol import limits
from sheepfold.protocol.codes import ComputeMethod, WorkStatus
from sheepfold.server.accounts.actions import farm_account
from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.errors import Conflict
from sheepfold.server.core.storage import store, temporary_path
from sheepfold.server.core.zip_writer import file_of, write_zip
from sheepfold.server.dispatch.actions import Taking, grant
from sheepfold.server.dispatch.claims import Claim, Grant
from sheepfold.server.dispatch.queries import LeaseFacts
from sheepfold.server.frames import states
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.frames.states import TakenTile
from sheepfold.server.machines.actions import disable_machine, record_power
from sheepfold.server.machines.models import Device
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.projects.packing import MEDIA_TYPE
from sheepfold.server.renderers.models import RendererArchive
from sheepfold.server.renderers.queries import choose_renderer
from sheepfold.server.results.models import Verdict
from sheepfold.server.results.verdicts import Judgement

TRIAL_PROJECT = 1  # clients take ids below 20 for test jobs
VERSION = (3, 4)  # of Blender, that saved the scene
WIDTH, HEIGHT = 320, 180
REFERENCE_SECONDS = 5.0  # two cores of a server of 2024, from the start of Blender to the saved picture: power 100
MINUTES = 60  # for one test frame; a machine that takes longer is of no use
SHORTEST_SECONDS = 0.1
MAX_TRIES = 2  # of one device, then the machine is disabled
DIFFERENCE = 12.0  # mean, of 255; measured: other noise 0.5, half as bright again 27, upside down 42, black 56
SCENE = "scene.blend"
DATA = files(__package__).joinpath("trial_data")


def set_up() -> None:
    """Make the project of the test frames, or give it the renderer that fits it best today. Raises Conflict."""
    renderer_id = choose_renderer(VERSION).renderer_id
    if renderer_id is None:
        raise Conflict("machines cannot be tested: the farm has no Blender yet; add one with `sheepfold renderer add`")
    owner = farm_account()
    with as_file(DATA.joinpath(SCENE)) as scene, temporary_path(".zip") as target:
        write_zip(target, [file_of(scene, SCENE)])
        archive = record_blob(ref=store().keep(target, MEDIA_TYPE))
    values = {"renderer_id": renderer_id, "archive": archive, "blend_path": SCENE, "width": WIDTH, "height": HEIGHT}
    fixed = {"owner": owner, "name": "Test frame", "status": ProjectStatus.BLOCKED, "reason": "for new machines only"}
    Project.objects.update_or_create(pk=TRIAL_PROJECT, defaults={**values, **fixed, "deleted_at": None})


def give_trials(claims: Mapping[int, Claim], *, now: datetime) -> dict[int, Grant | WorkStatus]:
    """The answers to those requests whose machines are to be tested first."""
    untested = {index: device for index, one in claims.items() if (device := _device_to_test(one)) is not None}
    platforms = _platforms() if untested else frozenset()
    return {
        index: _give(claims[index].session, device, now)
        for index, device in untested.items()
        if (claims[index].session.os, claims[index].session.bits) in platforms
    }


def _device_to_test(one: Claim) -> Device | None:
    session, offer = one.session, one.offer
    if offer.compute_method != ComputeMethod.GPU and session.cpu_power is None:
        return Device.CPU
    if offer.compute_method != ComputeMethod.CPU and offer.has_gpu and session.gpu_power is None:
        return Device.GPU
    return None


def _platforms() -> frozenset[tuple[str, int]]:
    renderers = Project.objects.filter(pk=TRIAL_PROJECT).values("renderer_id")
    return frozenset(RendererArchive.objects.filter(renderer_id__in=renderers).values_list("os", "bits"))


def _give(session: SessionFacts, device: Device, now: datetime) -> Grant | WorkStatus:
    """One tile for each try: its frame says which machine and device, its part which try."""
    frame = session.machine_id * len(Device) + device
    if frame > limits.MAX_FRAME:
        return WorkStatus.NO_JOB
    tile = Tile.objects.filter(project_id=TRIAL_PROJECT, frame=frame).order_by("-part").first()
    if tile is None or tile.status == TileStatus.DONE:
        tile = _next_try(tile, frame, now)
    elif tile.failures:
        failed, tile = tile, _next_try(tile, frame, now)
        if (failed.part + 1) % MAX_TRIES == 0:
            disable_machine(machine_id=session.machine_id, reason="its test frames failed; look at its error log")
            return WorkStatus.SESSION_DISABLED
    if states.move([tile.pk], came_from=TileStatus.WAITING, to=TileStatus.RENDERING, now=now) != 1:
        return WorkStatus.NO_JOB  # it renders it now
    taking = Taking(session, TakenTile(tile.pk, TRIAL_PROJECT, frame), MINUTES)
    return Grant(grant(takings=[taking], now=now)[0], on_gpu=device is Device.GPU)


def _next_try(last: Tile | None, frame: int, now: datetime) -> Tile:
    part = last.part + 1 if last else 0
    return Tile.objects.create(project_id=TRIAL_PROJECT, frame=frame, part=part, rank=frame, changed_at=now)


def record_trials(*, accepted: Iterable[tuple[LeaseFacts, float]]) -> None:
    """Note the power of machines whose test frames were taken. Leases of other projects are passed over; in seconds."""
    for lease, rendertime in accepted:
        if lease.project_id == TRIAL_PROJECT:
            power = 100 * REFERENCE_SECONDS / max(rendertime, SHORTEST_SECONDS)
            device = Device(lease.frame % len(Device))
            record_power(machine_id=lease.machine_id, device=device, power=round(power, 1))


def judge_trial(thumbnail: bytes) -> Judgement:
    """Whether a test frame, as its thumbnail shows it in full size, is the picture that it should be."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        differences = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), _reference())).mean
    if sum(differences) / len(differences) <= DIFFERENCE:
        return Judgement(Verdict.ACCEPTED)
    return Judgement(Verdict.BLANK, "the test frame does not look as it should")


@lru_cache(maxsize=1)
def _reference() -> Image.Image:
    with as_file(DATA.joinpath("reference.png")) as path, Image.open(path) as image:
        return image.convert("RGB")
