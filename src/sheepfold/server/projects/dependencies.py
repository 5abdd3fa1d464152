"""Files that a scene needs beside itself, found by blender-asset-tracer in its bytes and in the libraries it links."""

import fnmatch
import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from blender_asset_tracer.blendfile import BlendFileBlock, close_all_cached
from blender_asset_tracer.blendfile.iterators import listbase
from blender_asset_tracer.bpathlib import BlendPath
from blender_asset_tracer.trace import asset_holding_blocks
from blender_asset_tracer.trace.blocks2assets import iter_assets
from blender_asset_tracer.trace.file2blocks import BlockIterator
from blender_asset_tracer.trace.result import BlockUsage

from sheepfold.server.projects.facts import ExternalFile, FileKind
from sheepfold.server.projects.names import folded

KINDS = {
    "IM": FileKind.IMAGE, "LI": FileKind.LIBRARY, "VF": FileKind.FONT, "SO": FileKind.SOUND, "MC": FileKind.CLIP,
    "VO": FileKind.VOLUME, "CF": FileKind.CACHE, "OB": FileKind.CACHE,
}  # fmt: skip
BLENDER_5 = 500
TILE = re.compile(r"<UDIM>|<UVTILE>")


class _Inside(BlockIterator):
    """Opens linked libraries only below one folder: a scene could name any file of this machine.

    Also follows the nodes of materials and worlds in files of Blender 5, which BAT 1.23 does not.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def _queue_dependencies(self, block: BlendFileBlock) -> None:
        super()._queue_dependencies(block)
        if block.bfile.header.version >= BLENDER_5:
            for used in _used_by_nodes(block):
                self.to_visit.put(used)

    def _visit_linked_blocks(self, blocks_per_lib: Mapping[BlendPath, Any]) -> Iterator[BlendFileBlock]:
        inside = {lib: blocks for lib, blocks in blocks_per_lib.items() if _place(self._folder, lib.to_path())}
        yield from super()._visit_linked_blocks(inside)  # type: ignore[no-untyped-call]


def _used_by_nodes(block: BlendFileBlock) -> Iterator[BlendFileBlock]:
    tree = block.get_pointer(b"nodetree", None)
    for node in listbase(tree.get_pointer((b"nodes", b"first")) if tree is not None else None):
        used = node.get_pointer(b"id", None)
        if used is not None:
            yield used


def external_files(folder: Path, blend: str) -> list[ExternalFile]:
    """What `blend`, a path inside the folder, needs. Raises what BAT raises if a file is damaged."""
    finder = _Inside(folder)
    try:
        blocks = asset_holding_blocks(finder.iter_blocks(finder.open_blendfile(folder / blend)))
        found = {_external(folder, usage) for block in blocks for usage in iter_assets(block) if _is_set(usage)}
    finally:
        close_all_cached()
    return sorted(found, key=lambda one: (one.path, one.user))


def is_there(file: ExternalFile, names: Collection[str]) -> bool:
    """Whether the upload, with files of these names, has it. A sequence or a folder: whether it has any of it."""
    if not file.place:
        return False
    if not file.sequence:
        return file.place in names
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _patterns(file.place) for name in names)


def namesake(file: ExternalFile, names: Collection[str]) -> str:
    """A file of the upload that is probably meant: written otherwise, or elsewhere. Empty if there is none."""
    wanted = folded(file.place)
    base = folded(posixpath.basename(file.path.replace("\\", "/")))
    alike = [name for name in names if folded(name) == wanted]
    return next(iter(alike or [name for name in names if folded(posixpath.basename(name)) == base]), "")


def _is_set(usage: BlockUsage) -> bool:
    """Fields that were never filled in are no files."""
    return bool(usage.asset_path.strip(b"/ "))


def _external(folder: Path, usage: BlockUsage) -> ExternalFile:
    code, user = usage.block_name[:2].decode("ascii", "replace"), usage.block_name[2:].decode("utf-8", "replace")
    place = "" if usage.asset_path.is_absolute() else _place(folder, usage.abspath)
    return ExternalFile(KINDS.get(code, FileKind.OTHER), str(usage.asset_path), user, place, usage.is_sequence)


def _place(folder: Path, path: os.PathLike[str]) -> str:
    """The path relative to the folder; empty if it leads out of it."""
    relative = os.path.relpath(os.path.normpath(path), folder)
    return "" if relative.startswith("..") or relative == "." else Path(relative).as_posix()


def _patterns(place: str) -> list[str]:
    """Names of a sequence: one of its pictures, a pattern of tiles, or the folder that holds it."""
    folder, name = posixpath.split(place)
    stem, suffix = posixpath.splitext(name)
    if "*" in name or TILE.search(name):
        numbered = "*".join(_escaped(part) for part in TILE.sub("*", name).split("*"))
    else:
        numbered = (
            f"{_escaped(stem.rstrip('0123456789'))}*{_escaped(suffix)}" if stem[-1:].isdigit() else _escaped(name)
        )
    return [posixpath.join(_escaped(folder), numbered), f"{_escaped(place)}/*"]


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
