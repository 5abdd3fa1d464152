"""Commands that look after a farm's data. They work on its database and store, whether or not a server runs."""

from pathlib import Path

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import data_dir_option, open_farm, start_django


@click.command()
@click.option("--read", is_flag=True, help="Read every byte, too; takes as long as copying the store.")
@click.option("--repair", is_flag=True, help="Have frames rendered again whose images are lost.")
@data_dir_option
def verify(read: bool, repair: bool, data_dir: Path | None) -> None:
    """Compare the database with the stored files. Ends with status 1 if something is missing or has changed."""
    with open_farm(data_dir):
        from sheepfold.server.core.clock import now
        from sheepfold.server.core.integrity import count_store, find_damage
        from sheepfold.server.pipeline.repair import render_lost_again

        findings = list(find_damage(read=read))
        counts = count_store()
        again = render_lost_again(hashes=[one.sha256 for one in findings], now=now()) if repair else 0
    for finding in findings:
        click.echo(f"{finding.sha256}: {finding.damage}")
    click.echo(f"named files: {counts.rows}, unnamed: {counts.unnamed} (these go after a day)")
    if repair:
        click.echo(f"rendered again: {again}")
    if findings:
        raise CommandError(f"lost files: {len(findings)}; restore them from a backup of the store")


@click.command()
@data_dir_option
def gc(data_dir: Path | None) -> None:
    """Delete what nothing has named for a day: stored files, temporary files. The farm does it by itself, too."""
    with open_farm(data_dir):
        from sheepfold.server.core.clock import now
        from sheepfold.server.core.garbage import forget_temporary_files, forget_unused_blobs

        blobs, temporary = forget_unused_blobs(now=now()), forget_temporary_files(now=now())
    click.echo(f"deleted: {blobs} stored, {temporary} temporary")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@data_dir_option
def backup(folder: Path, data_dir: Path | None) -> None:
    """Copy the farm into FOLDER while it runs. An earlier backup there is brought up to date."""
    with open_farm(data_dir):
        from sheepfold.server.core.backup import back_up

        facts = back_up(folder)
    click.echo(f"the farm of {facts.taken_at} is in {folder}, with {facts.files} files")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_dir_option
def restore(folder: Path, data_dir: Path | None) -> None:
    """Make a farm from the backup in FOLDER, in an empty data folder or database."""
    start_django(data_dir)
    from sheepfold.server.core import backup
    from sheepfold.server.core.errors import FarmError
    from sheepfold.server.run import prepare

    try:
        facts = backup.restore(folder)
    except FarmError as error:
        raise CommandError(error.message) from error
    prepare()
    click.echo(f"the farm of {facts.taken_at} is back, with {facts.files} files; `sheepfold verify` checks them")
