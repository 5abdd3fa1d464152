"""Commands that look after a farm's data. They work on its database and store, whether or not a server runs."""

from pathlib import Path

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import data_dir_option, open_farm


@click.command()
@click.option("--read", is_flag=True, help="Read every byte, too; takes as long as copying the store.")
@data_dir_option
def verify(read: bool, data_dir: Path | None) -> None:
    """Compare the database with the stored files. Ends with status 1 if something is missing or has changed."""
    with open_farm(data_dir):
        from sheepfold.server.core.integrity import count_store, find_damage

        findings = list(find_damage(read=read))
        counts = count_store()
    for finding in findings:
        click.echo(f"{finding.sha256}: {finding.damage}")
    click.echo(f"named files: {counts.rows}, unnamed: {counts.unnamed} (these go after a day)")
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
