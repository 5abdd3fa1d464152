"""Commands for people and secrets. They work on the data folder of this machine, whether or not a server runs.

With --server they ask that farm instead.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheepfold.commands.errors import CommandError
from sheepfold.commands.farm import SERVER, TOKEN_FILE, find_farm
from sheepfold.commands.local import data_dir_option, open_farm

if TYPE_CHECKING:
    from sheepfold.server.accounts.models import User

PASSWORD_BYTES = 12


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    server = click.option("--server", envvar=SERVER, help="Another farm; without it the one on this machine.")
    token_file = click.option(
        "--token-file", envvar=TOKEN_FILE, type=click.Path(path_type=Path), help="File with an admin's token for it."
    )
    return server(token_file(data_dir_option(command)))


@click.group()
def user() -> None:
    """People of the farm."""


@user.command("add")
@click.argument("name")
@click.option("--email", default="", help="Address for mails of the farm.")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.option("--password-file", type=click.File(), help="File with the password; without it one is made and shown.")
@_where
def user_add(
    name: str,
    email: str,
    admin: bool,
    password_file: Any,
    server: str | None,
    token_file: Path | None,
    data_dir: Path | None,
) -> None:
    """Add a person."""
    password = password_file.readline().rstrip("\n") if password_file else secrets.token_urlsafe(PASSWORD_BYTES)
    if server:
        body = {"username": name, "password": password, "email": email, "admin": admin}
        find_farm(server, token_file, data_dir).post("users", body)
    else:
        _add_locally(data_dir, name, password, email, admin)
    click.echo(f"{name} may sign in." if password_file else f"{name} may sign in with the password {password}")


def _add_locally(data_dir: Path | None, name: str, password: str, email: str, admin: bool) -> None:
    with open_farm(data_dir):
        from sheepfold.server.accounts.actions import create_user

        create_user(username=name, password=password, email=email, admin=admin)


@click.group()
def key() -> None:
    """Render keys: what machines log in with."""


@key.command("add")
@click.argument("user_name", metavar="USER")
@click.option("--name", default="machine", show_default=True, help="Which machine it is for.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this file instead of the terminal.")
@_where
def key_add(
    user_name: str, name: str, output: Path | None, server: str | None, token_file: Path | None, data_dir: Path | None
) -> None:
    """Make a render key for a machine of USER. It is shown this once."""
    if server:
        made = find_farm(server, token_file, data_dir).post("keys", {"name": name, "user": user_name})["secret"]
    else:
        made = _add_key_locally(data_dir, user_name, name)
    _hand_over(made, output)


@click.group()
def token() -> None:
    """Tokens: what programs and the command line log in with."""


@token.command("add")
@click.argument("user_name", metavar="USER")
@click.option("--name", default="program", show_default=True, help="What it is for.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this file instead of the terminal.")
@data_dir_option
def token_add(user_name: str, name: str, output: Path | None, data_dir: Path | None) -> None:
    """Make a token for USER on this machine's farm. It is shown this once."""
    with open_farm(data_dir):
        from sheepfold.server.accounts.actions import create_api_token

        _, secret = create_api_token(user=_find_user(user_name), name=name)
    _hand_over(secret, output)


def _add_key_locally(data_dir: Path | None, user_name: str, name: str) -> str:
    with open_farm(data_dir):
        from sheepfold.server.accounts.actions import create_render_key

        return create_render_key(user=_find_user(user_name), name=name)[1]


def _find_user(name: str) -> "User":
    from sheepfold.server.accounts.models import User

    found = User.objects.filter(username=name).first()
    if found is None:
        raise CommandError(f"there is no user {name}; add one with `sheepfold user add {name}`")
    return found


def _hand_over(secret: str, output: Path | None) -> None:
    if output is None:
        click.echo(secret)
        return
    output.touch(mode=0o600)
    output.write_text(f"{secret}\n")
    click.echo(f"written to {output}", err=True)
