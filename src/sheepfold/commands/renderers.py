"""Commands about renderers: the Blender versions that machines get."""

from pathlib import Path

import click

from sheepfold.commands.farm import Farm, with_farm
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


def add_local_renderer(path: Path) -> None:
    raise NotImplementedError
