"""A new machine: three questions, farms nearby."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from seed_server import SeedServer

from sheepfold.client import cli, first_run
from sheepfold.client.cli import client
from sheepfold.client.config import ConfigError, Settings, load_settings, read_key
from sheepfold.client.first_run import Answers, Share, save, settings_text
from sheepfold.client.hardware import read_hardware
from sheepfold.client.supply import ExitCode
from sheepfold.client.worker import with_server

MACHINE = replace(read_hardware(), cores=8, ram_kib=16 * 1024**2)
ANSWERS = Answers("https://farm.example", "anna", "k3y", Share.HALF)


def test_answers_become_settings_that_the_client_reads(tmp_path: Path) -> None:
    path = save(ANSWERS, MACHINE, tmp_path / "client.toml")
    settings = load_settings({}, path)
    assert (settings.server, settings.login) == ("https://farm.example", "anna")
    assert (settings.cores, settings.memory) == (4, 8 * 1024**3)
    assert read_key(settings.key_file) == "k3y"
    assert "k3y" not in path.read_text()


@pytest.mark.parametrize(
    ("share", "added"),
    [(Share.ALL, {}), (Share.IDLE, {"idle_minutes": 10}), (Share.HALF, {"cores": 4, "memory": "8192M"})],
)
def test_share_of_the_machine(share: Share, added: dict[str, object]) -> None:
    settings = tomllib.loads(settings_text(replace(ANSWERS, share=share), MACHINE, Path("/k")))
    assert {name: settings[name] for name in settings if name not in ("server", "login", "key_file")} == added


def test_questions_are_asked_and_answered_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Settings] = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "_is_new", lambda settings: not settings.server)
    monkeypatch.setattr(cli, "_run", lambda settings: ran.append(settings) or ExitCode.OK)
    with SeedServer() as farm:
        monkeypatch.setattr(cli, "find_farms", lambda: [farm.url, "http://192.0.2.7:8080"])
        result = CliRunner().invoke(client, input="ftp://wrong\n\nanna\nsecret\nall\n")
    assert result.exit_code == 0, result.output
    assert f"Farms on this network: {farm.url}, http://192.0.2.7:8080" in result.output
    assert "must begin with http" in result.output
    assert "secret" not in result.output
    assert "A test frame rendered well." in result.output
    [settings] = ran
    assert (settings.server, settings.login) == (farm.url, "anna")
    assert read_key(settings.key_file) == "secret"
    assert [call.kind for call in farm.calls][-1] == "logout", "the test of the login leaves no session behind"


def answered(farm: SeedServer, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the terminal shows when somebody types these words."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setattr(cli, "_is_new", lambda settings: not settings.server)
    monkeypatch.setattr(cli, "find_farms", lambda: [farm.url])
    monkeypatch.setattr(cli, "_run", lambda settings: ExitCode.OK)
    result = CliRunner().invoke(client, ["--blender", "no-such-blender"], input=words)
    assert result.exit_code == 0, result.output
    return result.output


def test_login_that_the_farm_refuses_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SeedServer() as farm:
        output = answered(farm, "\nanna\nmistyped\nn\n\nanna\nsecret\nall\n", tmp_path, monkeypatch)
    assert output.count("That does not work: the farm does not know this login with this key.") == 1
    assert read_key(tmp_path / "sheepfold" / "key") == "secret"


def test_answers_are_kept_where_the_owner_says_so_although_the_farm_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SeedServer() as farm:
        farm.answers["config"].append((503, "text/plain", b""))
        output = answered(farm, "\nanna\nsecret\ny\nall\n", tmp_path, monkeypatch)
    assert "That does not work: the farm answered HTTP 503 Service Unavailable." in output
    assert read_key(tmp_path / "sheepfold" / "key") == "secret"


def test_address_without_its_scheme_is_taken_as_https() -> None:
    assert first_run._address("farm.example") == "https://farm.example"


def test_nobody_is_asked_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = CliRunner().invoke(client, [])
    assert result.exit_code == ExitCode.BAD_SETTINGS
    assert "no server is given" in result.output
    assert list(tmp_path.iterdir()) == []


def test_auto_takes_the_farm_nearby(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sheepfold.client.worker.find_farms", lambda: ["http://192.0.2.7:8080"])
    assert with_server(settings("auto")).server == "http://192.0.2.7:8080"
    monkeypatch.setattr("sheepfold.client.worker.find_farms", list)
    with pytest.raises(ConfigError, match="no farm announces itself"):
        with_server(settings("auto"))
