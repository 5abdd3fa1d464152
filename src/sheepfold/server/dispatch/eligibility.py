"""May this session render this project? Pure; the site shows the reason when it may not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sheepfold.protocol.codes import ComputeMethod
from sheepfold.protocol.generations import Generation, traits_of
from sheepfold.server.machines.queries import SessionFacts
from sheepfold.server.projects.models import Visibility

Platform = tuple[str, int]  # os, bits


class Obstacle(StrEnum):
    """Why a session gets nothing of a project, in words for the machine's owner."""

    OWNER_ONLY = "only machines of its owner may render it"
    GROUP_ONLY = "only machines of its group may render it"
    BLOCKED_OWNER = "you blocked its owner"
    BLOCKED_PROJECT = "this machine blocked it or cannot render it"
    BEING_ENCRYPTED = "its scene is being encrypted; this takes a moment"
    CANNOT_DECRYPT = "its scene is encrypted and this machine's client cannot open that"
    NO_RENDERER = "its Blender version is not available for this platform"
    NEEDS_GPU = "it needs a GPU"
    NEEDS_CPU = "it renders on CPUs only and this machine offers its GPU only"
    MEMORY = "it needs more memory than this machine offers"
    POWER = "it is for machines whose test frame was faster; this one was slower or never tested"


@dataclass(frozen=True, slots=True)
class OpenProject:
    """A project that may have waiting tiles, as dispatch sees it. Memory in KiB."""

    id: int
    owner_id: int
    group_id: int | None
    visibility: Visibility
    priority: int
    use_cpu: bool
    use_gpu: bool
    min_ram_kib: int
    min_power: int = 0  # per cent of the reference computer
    max_minutes: int = 0  # for one tile; 0: as long as the farm allows
    renderer_md5s: Mapping[Platform, str] = field(default_factory=dict)
    encrypted: bool = False
    to_be_encrypted: bool = False
    archive_md5: str = ""  # of its scene


@dataclass(frozen=True, slots=True)
class Offer:
    """What a job request says that the machine can do now. Memory in KiB. `archives`: MD5s of what it still has."""

    compute_method: ComputeMethod = ComputeMethod.CPU_OR_GPU
    has_gpu: bool = False
    ram_max_kib: int | None = None
    gpu_name: str = ""
    archives: tuple[str, ...] = ()


def obstacle(session: SessionFacts, offer: Offer, project: OpenProject) -> Obstacle | None:
    """The first reason against it, or None when the session may render the project."""
    return _right(session, project) or _archive(session, project) or _hardware(session, offer, project)


def _right(session: SessionFacts, project: OpenProject) -> Obstacle | None:
    own = session.user_id == project.owner_id
    if project.visibility == Visibility.OWNER and not own:
        return Obstacle.OWNER_ONLY
    if project.visibility == Visibility.GROUP and not own and project.group_id not in session.groups:
        return Obstacle.GROUP_ONLY
    if project.owner_id in session.blocked_owners:
        return Obstacle.BLOCKED_OWNER
    if project.id in session.blocked_projects:
        return Obstacle.BLOCKED_PROJECT
    return None


def _archive(session: SessionFacts, project: OpenProject) -> Obstacle | None:
    if project.to_be_encrypted:
        return Obstacle.BEING_ENCRYPTED
    if project.encrypted and not traits_of(Generation(session.generation)).decrypts:
        return Obstacle.CANNOT_DECRYPT
    return None


def _hardware(session: SessionFacts, offer: Offer, project: OpenProject) -> Obstacle | None:
    if (session.os, session.bits) not in project.renderer_md5s:
        return Obstacle.NO_RENDERER
    if not project.use_cpu and not renders_on_gpu(offer, project):
        return Obstacle.NEEDS_GPU
    if offer.compute_method == ComputeMethod.GPU and not renders_on_gpu(offer, project):
        return Obstacle.NEEDS_CPU
    if project.min_ram_kib > min(session.ram_kib, offer.ram_max_kib or session.ram_kib):
        return Obstacle.MEMORY
    power = session.gpu_power if renders_on_gpu(offer, project) else session.cpu_power
    if project.min_power > (power or 0):
        return Obstacle.POWER
    return None


ON_PROCESSOR = "cpu"
_MAKERS = {
    "nvidia": ("nvidia", "geforce", "quadro", "tesla", "rtx", "gtx"),
    "amd": ("amd", "radeon"),
    "intel": ("intel", "arc"),
    "apple": ("apple",),
}


def device_family(*, on_gpu: bool, gpu_name: str) -> str:
    """Devices of one family render a frame alike: processors, or the graphics cards of one maker."""
    if not on_gpu:
        return ON_PROCESSOR
    words = gpu_name.lower().split() or ["unnamed"]
    return next((maker for maker, marks in _MAKERS.items() if any(mark in words for mark in marks)), words[0][:40])


def renders_on_gpu(offer: Offer, project: OpenProject) -> bool:
    """Whether the tile would be rendered on the machine's GPU."""
    return project.use_gpu and offer.has_gpu and offer.compute_method != ComputeMethod.CPU
