"""`sheepfold client`: settings from flags, then the client runs in the foreground."""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from sheepfold.client import first_run
from sheepfold.client.commands import Commands, StatusKeeper, listen, may_listen
from sheepfold.client.config import ConfigError, Settings, Ui, load_settings
from sheepfold.client.devices import PROCESSOR, Blender
from sheepfold.client.discovery import find_farms
from sheepfold.client.events import Event
from sheepfold.client.hardware import read_hardware
from sheepfold.client.keyboard import without_echo
from sheepfold.client.service import describe_service, install, own_command
from sheepfold.client.supply import ExitCode
from sheepfold.client.ui import LiveDisplay, LogListener, make_display, start_log
from sheepfold.client.worker import Client, run

_SHORT_NAMES = {"key_file": "--key"}


def flag_of(name: str) -> str:
    """The flag of a setting."""
    return _SHORT_NAMES.get(name, f"--{name.replace('_', '-')}")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A flag for every setting, so that none can be forgotten."""
    for name, setting in reversed(Settings.model_fields.items()):
        flag = flag_of(name)
        is_switch = setting.annotation is bool
        if is_switch:
            flag = f"{flag}/--no-{name.replace('_', '-')}"
        kind = bool if is_switch else str
        command = click.option(flag, name, type=kind, default=None, help=setting.description)(command)
    return command


@click.group(invoke_without_command=True)
@click.option("--config", type=click.Path(path_type=Path), help="settings file instead of the usual one")
@click.option("--json", "as_json", is_flag=True, help="the same as --ui json")
@_options
@click.pass_context
def client(context: click.Context, /, config: Path | None, as_json: bool, **flags: object) -> None:
    """Render for a farm on this machine. Ctrl-C ends it after the frame, a second Ctrl-C at once."""
    if as_json:
        flags["ui"] = "json"
    try:
        settings = load_settings(flags, config)
        context.obj = settings
        if context.invoked_subcommand is None:
            if _is_new(settings):
                _introduce(settings, config)
                settings = load_settings(flags, config)
            sys.exit(_run(settings))
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(ExitCode.BAD_SETTINGS)


@client.command("devices")
@click.pass_obj
def list_devices(settings: Settings) -> None:
    """List what can render on this machine, as Blender sees it."""
    click.echo("cpu")
    for card in Blender(settings.blender).list_devices():
        click.echo(f"{card.id}  {card.compute_type}  {card.name}")


@client.command("install")
@click.option("--print", "only_print", is_flag=True, help="show the service's file, change nothing")
@click.pass_context
def install_service(context: click.Context, /, only_print: bool) -> None:
    """Start the client with this machine, with the flags that are given before `install`."""
    flags = _given_flags(context)
    service = describe_service(sys.platform, own_command(flags), Path.home())
    if only_print:
        click.echo(service.text, nl=False)
        return
    undone = install(service)
    click.echo(f"wrote {service.path}")
    for words in undone:
        click.echo(f"to do by hand: {words}", err=True)
    sys.exit(1 if undone else 0)


def _given_flags(context: click.Context) -> list[str]:
    """The flags of `sheepfold client` that were typed. None of them holds a secret."""
    given = context.parent.params if context.parent else {}
    words: list[str] = []
    for name, value in given.items():
        if isinstance(value, bool) and name in Settings.model_fields:
            words.append(flag_of(name) if value else f"--no-{name.replace('_', '-')}")
        elif value is not None and name not in ("as_json", "ui"):
            words += [flag_of(name), str(value)]
    return words


def _is_new(settings: Settings) -> bool:
    """Whether there is somebody to ask for what is missing."""
    return not settings.server and not settings.login and sys.stdin.isatty() and settings.ui is not Ui.JSON


def _introduce(settings: Settings, config: Path | None) -> None:
    hardware = read_hardware()
    answers = first_run.ask(find_farms(), partial(first_run.try_login, settings, hardware))
    click.echo(f"saved in {first_run.save(answers, hardware, config)}")
    with tempfile.TemporaryDirectory() as folder:
        works = Blender(settings.blender).can_render(PROCESSOR, Path(folder))
    click.echo("A test frame rendered well." if works else "No Blender here to test with; the farm brings its own.")


def _run(settings: Settings) -> ExitCode:
    display, log, status = make_display(settings.ui, sys.stdout), LogListener(), StatusKeeper()
    if settings.log_file is not None:
        start_log(settings.log_file)

    def listener(event: Event) -> None:
        for hear in (status, display, log):
            hear(event)

    running = Client()
    commands = Commands(running.control, running.block_projects, status.read, listener)
    try:
        if not isinstance(display, LiveDisplay) or not sys.stdin.isatty() or not may_listen(sys.stdin):
            listen(commands)
            return run(settings, listener, running)
        with without_echo(sys.stdin):
            display.show_typed("")
            listen(commands, show=display.show_typed)
            return run(settings, listener, running)
    finally:
        display.close()
