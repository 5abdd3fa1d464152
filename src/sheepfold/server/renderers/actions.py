"""Every change of renderers."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import BooleanField, Case, Value, When

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.errors import Conflict, NotFound
from sheepfold.server.core.storage import BlobRef
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.renderers.versions import format_version, parse_version


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """What an archive in the store was made from. `local_only`: it starts a Blender installed on one machine."""

    version: str
    os: str
    bits: int
    kind: str
    local_only: bool


def record_archive(*, source: ArchiveSource, ref: BlobRef) -> RendererArchive:
    """Machines of this platform get this archive from now on. The first renderer of a farm is its default.

    Raises Conflict if a launcher of an installed Blender would take the place of a complete archive.
    """
    version = format_version(parse_version(source.version))
    with transaction.atomic():
        renderer, _ = Renderer.objects.get_or_create(version=version)
        if not Renderer.objects.filter(is_default=True).exists():
            set_default_renderer(renderer_id=renderer.pk)
        _check_better(renderer, source)
        return RendererArchive.objects.update_or_create(
            renderer=renderer,
            os=source.os,
            bits=source.bits,
            defaults={"blob": record_blob(ref=ref), "source": source.kind, "local_only": source.local_only},
        )[0]


def set_default_renderer(*, renderer_id: int) -> None:
    """Scenes of versions that the farm lacks are rendered with this one."""
    if not Renderer.objects.filter(pk=renderer_id).exists():
        raise NotFound("there is no such renderer")
    chosen = Case(When(pk=renderer_id, then=Value(True)), default=Value(False), output_field=BooleanField())
    Renderer.objects.update(is_default=chosen)


def remove_archive(*, archive_id: int) -> None:
    """Machines of this platform get no more of this version. Raises NotFound."""
    if RendererArchive.objects.filter(pk=archive_id).delete()[0] == 0:
        raise NotFound("there is no such archive")


def _check_better(renderer: Renderer, source: ArchiveSource) -> None:
    present = RendererArchive.objects.filter(renderer=renderer, os=source.os, bits=source.bits).first()
    if present is not None and source.local_only and not present.local_only:
        raise Conflict(
            f"Blender {renderer.version} for {source.os} is here already, complete and for every machine; "
            "the one installed on this machine would be of use here only"
        )
