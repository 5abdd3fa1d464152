"""Three questions for a new machine: which farm, who are you there, how much of this machine."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from sheepfold.client.api import Connection, Farm, FarmError
from sheepfold.client.config import ConfigError, Settings, default_settings_file, load_settings, write_key
from sheepfold.client.hardware import Hardware
from sheepfold.client.session import Identity, LoginRefusedError, Session
from sheepfold.protocol.extras import Extras


class Share(StrEnum):
    """How much of the machine may be used."""

    ALL = "all"
    HALF = "half"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered."""

    server: str
    login: str
    key: str
    share: Share


TryLogin = Callable[[str, str, str], str | None]  # server, login, key; what is wrong with them, None when they work


def ask(farms: Sequence[str], try_login: TryLogin) -> Answers:
    """Ask on the terminal, and again where the answers do not work. `farms`: found on the local network."""
    click.echo("This machine does not render for a farm yet. Three questions:")
    server, login, key = _ask_account(farms)
    while (problem := try_login(server, login, key)) is not None:
        click.echo(f"   That does not work: {problem}.")
        if click.confirm("   Keep these answers all the same?", default=False):
            break
        server, login, key = _ask_account([server])
    share = click.prompt(
        "3. How much of this machine: all of it, half of it, or all while nobody uses it",
        type=click.Choice([share.value for share in Share]),
        default=Share.IDLE.value,
    )
    return Answers(server, login, key, Share(share))


def try_login(settings: Settings, hardware: Hardware, server: str, login: str, key: str) -> str | None:
    """Log in and out again. Returns why that did not work, in words."""
    machine = (settings.hostname or hardware.hostname, hardware, hardware.cores, hardware.ram_kib)
    try:
        with closing(Farm(Connection(server, settings.proxy, settings.ca_file))) as farm:
            Session(farm, Identity(login, key, *machine, ui="GuiText"), Extras()).open()
            farm.log_out()
    except (LoginRefusedError, FarmError) as error:
        return str(error)
    return None


def _ask_account(farms: Sequence[str]) -> tuple[str, str, str]:
    """Server, login and key. The first of `farms` is offered, the others are named."""
    if len(farms) > 1:
        click.echo(f"Farms on this network: {', '.join(farms)}")
    server = click.prompt("1. Address of the farm", default=farms[0] if farms else None, value_proc=_address)
    click.echo("2. Your account there. A render key is made on the farm's page under `Machines`.")
    login = click.prompt("   Login")
    return server, login, click.prompt("   Render key (not shown)", hide_input=True).strip()


def settings_text(answers: Answers, hardware: Hardware, key_file: Path) -> str:
    """The settings file for the answers."""
    lines = [
        f"server = {json.dumps(answers.server)}",
        f"login = {json.dumps(answers.login)}",
        f"key_file = {json.dumps(str(key_file))}",
    ]
    if answers.share is Share.HALF:
        lines += [f"cores = {max(hardware.cores // 2, 1)}", f'memory = "{hardware.ram_kib // 2 // 1024}M"']
    if answers.share is Share.IDLE:
        lines.append("idle_minutes = 10")
    return "\n".join([*lines, ""])


def save(answers: Answers, hardware: Hardware, file: Path | None = None) -> Path:
    """Write key and settings for the next runs. Returns the settings file."""
    path = file or default_settings_file()
    key_file = path.parent / "key"
    write_key(key_file, answers.key)
    path.write_text(settings_text(answers, hardware, key_file), encoding="utf-8")
    return path


def _address(text: str) -> str:
    """Accepts an address without its scheme, too."""
    url = text.strip() if "://" in text else f"https://{text.strip()}"
    try:
        return load_settings({"server": url}).server
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error
