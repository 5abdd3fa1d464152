"""`sheepfold cluster`: on one machine what a large farm runs on several, to see how it holds."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import DATA_DIR, start_django
from sheepfold.commands.serve import DEFAULT_PORT
from sheepfold.environment.engines import engines
from sheepfold.environment.seaweed import BUCKET, KEY_ID, SECRET
from sheepfold.environment.system import CannotStart

SETTINGS = "settings.sh"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--web", default=3, show_default=True, type=click.IntRange(1), help="Web processes.")
@click.option("--background", default=2, show_default=True, type=click.IntRange(1), help="Background processes.")
def cluster(host: str, port: int, web: int, background: int) -> None:
    """Start PostgreSQL, an S3 server, web and background processes here. Ctrl-C ends and deletes it all."""
    try:
        with _engines() as folder:
            _serve(folder, host, port, web, background)
    except CannotStart as error:
        raise CommandError(str(error)) from error


@contextmanager
def _engines() -> Iterator[Path]:
    """A folder for the farm's data, and its settings in this process's environment."""
    with engines() as found:
        folder = Path(found.folder)
        settings = _settings(folder / "data", found.database, found.endpoint)
        os.environ.update(settings)
        _write_settings(folder / SETTINGS, settings)
        yield folder


def _settings(data_dir: Path, database: str, endpoint: str) -> dict[str, str]:
    return {
        DATA_DIR: str(data_dir),
        "SHEEPFOLD_DATABASE_URL": database,
        "SHEEPFOLD_STORAGE_URL": f"s3://{BUCKET}/blobs",
        "SHEEPFOLD_STORAGE_ENDPOINT": endpoint,
        "SHEEPFOLD_STORAGE_KEY_ID": KEY_ID,
        "SHEEPFOLD_STORAGE_SECRET": SECRET,
        "SHEEPFOLD_STORAGE_DIRECT": "true",
    }


def _write_settings(path: Path, settings: dict[str, str]) -> None:
    """For a shell, which then reaches this farm with every command."""
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))


def _serve(folder: Path, host: str, port: int, web: int, background: int) -> None:
    start_django(None)
    from sheepfold.server import run
    from sheepfold.server.core.logs import configure_logs

    def announce(url: str, first_run: str | None) -> None:
        click.echo(f"Sheepfold is at {url}")
        if first_run is not None:
            click.echo(f"Make the first account at {url}{first_run}")
        click.echo(f"Metrics: {url}/metrics; ready or not: {url}/readyz")
        click.echo(f"{web} web and {background} background processes over PostgreSQL and S3, all in {folder}")
        click.echo(f"For commands in another terminal: . {folder / SETTINGS}")
        click.echo("Ctrl-C ends it.")

    configure_logs()
    try:
        run.serve(host, port, web_processes=web, background_processes=background, announce=announce)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
