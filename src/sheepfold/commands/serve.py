"""`sheepfold serve`, and the processes it is made of."""

import socket
from pathlib import Path

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.local import data_dir_option, start_django

DEFAULT_PORT = 8080


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--processes", default=1, show_default=True, help="Web processes; more than one needs PostgreSQL.")
@data_dir_option
def serve(host: str, port: int, processes: int, data_dir: Path | None) -> None:
    """Run a farm: the site, the machines' interface and background work. Ctrl-C ends it."""
    start_django(data_dir)
    from sheepfold.server import run
    from sheepfold.server.core.logs import configure_logs

    configure_logs()
    try:
        run.serve(host, port, web_processes=processes, announce=_announce)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error


def _announce(url: str, first_run: str | None) -> None:
    click.echo(f"Sheepfold is at {url}")
    if first_run is not None:
        click.echo(f"Nobody has an account yet. Make the first one at {url}{first_run}")
    click.echo("Ctrl-C ends it.")


@click.command()
@data_dir_option
def migrate(data_dir: Path | None) -> None:
    """Bring the database to this version's shape. `serve` does it by itself."""
    start_django(data_dir)
    from sheepfold.server.run import prepare

    prepare()


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port to listen on.")
@click.option("--fd", type=int, help="A listening socket that was inherited, instead of an address.")
@data_dir_option
def web(host: str, port: int, fd: int | None, data_dir: Path | None) -> None:
    """One process that answers requests. Run as many as you like over one PostgreSQL."""
    start_django(data_dir)
    from sheepfold.server.http import open_socket
    from sheepfold.server.run import run_web

    with open_socket(host, port) if fd is None else socket.socket(fileno=fd) as listening:
        run_web(listening)


@click.command()
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address of the metrics.")
@click.option("--metrics-port", type=int, help="Port at which Prometheus may read this process's metrics.")
@data_dir_option
def background(metrics_host: str, metrics_port: int | None, data_dir: Path | None) -> None:
    """One process of jobs and timers. Run as many as you like over one PostgreSQL."""
    start_django(data_dir)
    from sheepfold.server.run import run_background

    try:
        run_background(None if metrics_port is None else (metrics_host, metrics_port))
    except OSError as error:
        raise CommandError(f"cannot listen on {metrics_host}:{metrics_port}: {error.strerror}") from error
