"""Every change of renderers."""

from pathlib import Path

from django.db import transaction
from django.db.models import BooleanField, Case, Value, When

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.config import config
from sheepfold.server.core.errors import Conflict, NotFound
from sheepfold.server.core.storage import BlobRef, store, temporary_path
from sheepfold.server.renderers.builds import PackedRenderer
from sheepfold.server.renderers.models import Renderer, RendererArchive
from sheepfold.server.renderers.packing import MEDIA_TYPE, pack_renderer
from sheepfold.server.renderers.versions import format_version, parse_version


def add_renderer(*, path: Path) -> RendererArchive:
    """Pack a Blender (see `packing.pack_renderer` for what it may be) and give it to machines. Takes up to minutes.

    Raises BadRenderer for what is no usable Blender, Conflict like `record_archive`.
    """
    with temporary_path(".zip") as target:
        packed = pack_renderer(path, target, config().tmp_dir)
        ref = store().keep(target, MEDIA_TYPE)
    return record_archive(packed=packed, ref=ref)


def record_archive(*, packed: PackedRenderer, ref: BlobRef) -> RendererArchive:
    """Machines of this platform get this archive from now on. The first renderer of a farm is its default.

    Raises Conflict if a launcher of an installed Blender would take the place of a complete archive.
    """
    version = format_version(parse_version(packed.version))
    with transaction.atomic():
        renderer, _ = Renderer.objects.get_or_create(version=version)
        if not Renderer.objects.filter(is_default=True).exists():
            set_default_renderer(renderer_id=renderer.pk)
        _check_better(renderer, packed)
        return RendererArchive.objects.update_or_create(
            renderer=renderer,
            os=packed.platform.os,
            bits=packed.platform.bits,
            defaults={"blob": record_blob(ref=ref), "source": packed.kind, "local_only": packed.local_only},
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


def _check_better(renderer: Renderer, packed: PackedRenderer) -> None:
    present = RendererArchive.objects.filter(
        renderer=renderer, os=packed.platform.os, bits=packed.platform.bits
    ).first()
    if present is not None and packed.local_only and not present.local_only:
        raise Conflict(
            f"Blender {renderer.version} for {packed.platform.os} is here already, complete and for every machine; "
            "the one installed on this machine would be of use here only"
        )
