"""A Blender build becomes a renderer of the farm."""

from pathlib import Path

from django.db import transaction

from sheepfold.server.core.config import config
from sheepfold.server.core.storage import store, temporary_path
from sheepfold.server.pipeline.preparing import give_missing_renderers
from sheepfold.server.renderers.actions import ArchiveSource, record_archive
from sheepfold.server.renderers.builds import PackedRenderer
from sheepfold.server.renderers.packing import MEDIA_TYPE, pack_renderer


def add_renderer(*, source: Path) -> PackedRenderer:
    """Pack it, keep the archive, and give it to projects that had no Blender. Raises BadRenderer or Conflict."""
    with temporary_path(".zip") as target:
        packed = pack_renderer(source, target, config().tmp_dir)
        ref = store().keep(target, MEDIA_TYPE)
    made = ArchiveSource(packed.version, packed.platform.os, packed.platform.bits, packed.kind.value, packed.local_only)
    with transaction.atomic():
        record_archive(source=made, ref=ref)
        give_missing_renderers()
    return packed
