"""Commands about renderers: the Blender versions that machines get."""

import shutil
from pathlib import Path

import click
from rich.console import Console

from sheepfold.commands.farm import Farm, with_farm
from sheepfold.commands.local import data_dir_option, open_farm
from sheepfold.commands.show import Column, as_json_option, print_rows

RENDERERS = (
    Column("version", lambda row: row["version"]),
    Column("", lambda row: "default" if row["default"] else ""),
    Column("platforms", lambda row: ", ".join(_archive(one) for one in row["archives"])),
)


@click.group()
def renderer() -> None:
    """Blender versions of the farm."""


@renderer.command("list")
@as_json_option
@with_farm
def renderer_list(farm: Farm, /, as_json: bool) -> None:
    """List the farm's Blender versions, the newest first."""
    print_rows(
        farm.get("renderers"), RENDERERS, as_json=as_json, nothing="None yet: add one with `sheepfold renderer add`."
    )


def _archive(row: dict[str, object]) -> str:
    return f"{row['os']} {row['bits']} bit" + (" (this machine only)" if row["local_only"] else "")


@renderer.command("add")
@click.argument("source", type=click.Path(path_type=Path))
@data_dir_option
def renderer_add(source: Path, data_dir: Path | None) -> None:
    """Add a Blender to this machine's farm.

    SOURCE is an official release (.tar.xz or .zip, for any system), which every machine of that system gets; or an
    installed Blender, by its path or as the word blender, or the word bpy, which are of use on this machine only.
    """
    source = _found(source)
    with Console(stderr=True).status("packing"), open_farm(data_dir):
        from sheepfold.server.renderers.actions import add_renderer

        added = add_renderer(path=source)
        where = "this machine" if added.local_only else "every machine of that system"
        words = f"Blender {added.renderer.version} for {added.os} {added.bits} bit, on {where}"
    click.echo(words)


def _found(source: Path) -> Path:
    """A program's name stands for the program, as in a shell."""
    program = None if source.exists() or source.name != str(source) else shutil.which(source)
    return Path(program) if program else source
