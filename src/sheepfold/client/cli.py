"""`sheepfold client`: settings from flags, then the client runs in the foreground."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sheepfold.client.config import ConfigError, Settings, load_settings
from sheepfold.client.events import Event
from sheepfold.client.supply import ExitCode
from sheepfold.client.ui import LogListener, make_display, start_log
from sheepfold.client.worker import run

_SHORT_NAMES = {"key_file": "--key"}


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A flag for every setting, so that none can be forgotten."""
    for name, setting in reversed(Settings.model_fields.items()):
        flag = _SHORT_NAMES.get(name, f"--{name.replace('_', '-')}")
        if setting.annotation is bool:
            flag = f"{flag}/--no-{name.replace('_', '-')}"
        kind = bool if setting.annotation is bool else str
        command = click.option(flag, name, type=kind, default=None, help=setting.description)(command)
    return command


@click.group(invoke_without_command=True)
@click.option("--config", type=click.Path(path_type=Path), help="settings file instead of the usual one")
@click.option("--json", "as_json", is_flag=True, help="the same as --ui json")
@_options
@click.pass_context
def client(context: click.Context, /, config: Path | None, as_json: bool, **flags: object) -> None:
    """Render for a farm on this machine. Ctrl-C ends it after the frame, a second Ctrl-C at once."""
    if context.invoked_subcommand is not None:
        return
    if as_json:
        flags["ui"] = "json"
    try:
        settings = load_settings(flags, config)
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(ExitCode.BAD_SETTINGS)
    sys.exit(_run(settings))


def _run(settings: Settings) -> ExitCode:
    display, log = make_display(settings.ui, sys.stdout), LogListener()
    if settings.log_file is not None:
        start_log(settings.log_file)

    def listener(event: Event) -> None:
        display(event)
        log(event)

    try:
        return run(settings, listener)
    finally:
        display.close()
