"""The farm whose data folder lies on this machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import platformdirs

from sheepfold.commands.errors import CommandError

DATA_DIR = "SHEEPFOLD_DATA_DIR"

data_dir_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar=DATA_DIR,
    help="Folder of the farm's data; without it the usual one of this user.",
)


def data_folder(data_dir: Path | None) -> Path:
    """The folder that was named, else the usual one; the same as the server's settings find."""
    return data_dir or Path(os.environ.get(DATA_DIR) or platformdirs.user_data_path("sheepfold"))


def start_django(data_dir: Path | None) -> None:
    """Open the farm of this data folder. Must come before anything of the server is imported."""
    if data_dir is not None:
        os.environ[DATA_DIR] = str(data_dir.resolve())
    os.environ["DJANGO_SETTINGS_MODULE"] = "sheepfold.server.settings"
    import django  # takes a third of a second, which the other commands need not wait for

    django.setup()


@contextmanager
def open_farm(data_dir: Path | None) -> Iterator[None]:
    """The farm of this data folder, its database brought to this version's shape; refusals become words."""
    start_django(data_dir)
    from sheepfold.server.core.errors import FarmError
    from sheepfold.server.run import prepare

    prepare()
    try:
        yield
    except FarmError as error:
        raise CommandError(error.message) from error
