"""Settings: where they come from and which place wins."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sheepfold.client.cli import client
from sheepfold.client.config import ConfigError, Settings, load_settings, read_key, write_key


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "client.toml"
    path.write_text(text)
    return path


def test_flags_win_over_variables_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, 'server = "http://file"\nlogin = "file"\nhostname = "file"\npriority = 5')
    monkeypatch.setenv("SHEEPFOLD_LOGIN", "variable")
    monkeypatch.setenv("SHEEPFOLD_HOSTNAME", "variable")
    settings = load_settings({"hostname": "flag", "cores": None}, file)
    assert (settings.server, settings.login, settings.hostname) == ("http://file", "variable", "flag")
    assert (settings.priority, settings.cores) == (5, None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("memory", "8G", 8 * 1024**3),
        ("memory", "1.5 GiB", 1_610_612_736),
        ("memory", "800M", 838_860_800),
        ("bandwidth", "2048", 2048),
        ("frame_time", "30m", 1800),
        ("frame_time", "90", 90),
        ("frame_time", "2h", 7200),
        ("devices", "cpu, OPTIX_0", ("cpu", "OPTIX_0")),
        ("not_while", "game,steam", ("game", "steam")),
        ("only_on_mains", "true", True),
        ("cage", "landlock", "landlock"),
    ],
)
def test_words_for_people_are_understood_in_all_places(
    name: str, text: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(load_settings({name: text}), name) == value
    assert getattr(load_settings({}, write(tmp_path, f'{name} = "{text}"')), name) == value
    monkeypatch.setenv(f"SHEEPFOLD_{name.upper()}", text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("server", "farm.example"),
        ("cores", "0"),
        ("cores", "many"),
        ("memory", "much"),
        ("priority", "20"),
        ("cage", "iron"),
        ("timetable", "whenever"),
        ("ui", "hologram"),
    ],
)
def test_bad_value_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        load_settings({name: text})


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ({"frame_time": "soon"}, "frame_time: 'soon' is no time: write one such as 90, 15m or 2h"),
        ({"memory": "much"}, "memory: 'much' is no size: write one such as 800M or 8G"),
    ],
)
def test_what_may_be_written_is_said(flag: dict[str, str], words: str, tmp_path: Path) -> None:
    (tmp_path / "client.toml").touch()
    with pytest.raises(ConfigError, match=re.escape(words)):
        load_settings(flag, tmp_path / "client.toml")


@pytest.mark.parametrize(
    ("text", "words"), [('sevrer = "http://x"', "unknown names: sevrer"), ("server = ", "cannot be read")]
)
def test_bad_file_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load_settings({}, write(tmp_path, text))


def test_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings({}, tmp_path / "none.toml")


def test_every_setting_has_a_flag_and_a_description() -> None:
    flags = {option.name: option for option in client.params if isinstance(option, click.Option)}
    for name, field in Settings.model_fields.items():
        assert flags[name].help == field.description
        assert field.description


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_key_is_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    write_key(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path) == "secret"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", ["", "two\nlines\n"])
def test_key_file_must_hold_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path, content)
    with pytest.raises(ConfigError, match="one line"):
        read_key(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--server", "nowhere"], "server: "),
        (["--server", "http://127.0.0.1:1", "--login", "anna", "--key", "/nowhere/key"], "key file"),
        (["--login", "anna"], "no server is given"),
    ],
)
def test_command_ends_with_status_2_and_says_why(words: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(client, [*words, "--cache-dir", str(tmp_path), "--cage", "none"])
    assert result.exit_code == 2
    assert message in result.output


def test_client_does_not_load_what_only_linux_has() -> None:
    code = "import sys, sheepfold.client.cli; sys.exit('sheepfold.client.confine' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
