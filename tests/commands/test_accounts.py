import stat
from pathlib import Path

import pytest

from tests.commands.conftest import Terminal

pytestmark = pytest.mark.database


def test_people_are_added_without_a_server(terminal: Terminal, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("a long enough one\n")
    added = terminal.run("user", "add", "ada", "--password-file", str(password))
    assert added == (0, "ada may sign in.\n", "")
    again = terminal.run("user", "add", "ada")
    assert again == (1, "", "sheepfold: there is already a user ada; choose another name\n")


def test_a_key_goes_to_the_terminal_or_to_a_file_of_ones_own(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("user", "add", "ada")
    status, key, _ = terminal.run("key", "add", "ada", "--name", "tower")
    assert (status, len(key.strip())) == (0, 43)
    file = tmp_path / "key"
    assert terminal.run("key", "add", "ada", "--output", str(file)) == (0, "", f"written to {file}\n")
    assert len(file.read_text().strip()) == 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_for_nobody_is_refused(terminal: Terminal) -> None:
    assert terminal.run("key", "add", "eve") == (
        1,
        "",
        "sheepfold: there is no user eve; add one with `sheepfold user add eve`\n",
    )


def test_a_token_from_another_machine_opens_the_farm(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("user", "add", "ada")
    file = tmp_path / "token"
    assert terminal.run("token", "add", "ada", "--output", str(file))[0] == 0
    assert file.stat().st_mode & 0o077 == 0
