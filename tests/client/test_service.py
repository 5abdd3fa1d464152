"""The client as a service: the files that system managers read."""

import plistlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from sheepfold.client.cli import client
from sheepfold.client.service import Service, describe_service, install, own_command

START = ["/usr/bin/python3", "-m", "sheepfold", "client"]
WORDS = [*START, "--server", "https://farm.example/100%", "--cache-dir", "/a b"]
HOME = Path("/home/anna")


def test_systemd_unit() -> None:
    service = describe_service("linux", WORDS, HOME)
    assert service.path == HOME / ".config/systemd/user/sheepfold-client.service"
    expected = 'ExecStart=/usr/bin/python3 -m sheepfold client --server https://farm.example/100%% --cache-dir "/a b"'
    lines = service.text.splitlines()
    assert expected in lines
    assert "KillSignal=SIGINT" in lines
    assert "RestartPreventExitStatus=2 3 4 5 6 7 8" in lines
    assert service.start[-1] == ("systemctl", "--user", "enable", "--now", "sheepfold-client")


def test_launchd_agent() -> None:
    service = describe_service("darwin", WORDS, HOME)
    agent = plistlib.loads(service.text.encode())
    assert agent["ProgramArguments"] == WORDS
    assert agent["RunAtLoad"] is True
    assert service.path == HOME / f"Library/LaunchAgents/{agent['Label']}.plist"


def test_windows_task() -> None:
    service = describe_service("win32", WORDS, HOME)
    space = {"task": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    task = ElementTree.fromstring(service.text.removeprefix('<?xml version="1.0" encoding="UTF-16"?>'))
    assert task.findtext("task:Actions/task:Exec/task:Command", namespaces=space) == "/usr/bin/python3"
    arguments = task.findtext("task:Actions/task:Exec/task:Arguments", namespaces=space)
    assert arguments == '-m sheepfold client --server https://farm.example/100% --cache-dir "/a b"'
    assert task.findtext("task:Settings/task:ExecutionTimeLimit", namespaces=space) == "PT0S"


def test_install_writes_the_file_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "unit.service"
    assert install(Service(path, "text", (("true",), ("no-such-manager", "now"), ("false",)))) == [
        "no-such-manager now",
        "false",
    ]
    assert path.read_text() == "text"


def test_command_repeats_the_flags_that_were_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    flags = ["--server", "http://farm", "--key", "/k", "--no-living", "--only-on-mains"]
    result = CliRunner().invoke(client, [*flags, "install", "--print"])
    assert result.exit_code == 0
    [line] = [line for line in result.output.splitlines() if line.startswith("ExecStart=")]
    assert line.split()[-6:] == [*flags[:4], "--no-living", "--only-on-mains"]
    assert own_command([])[1:] == ["-m", "sheepfold", "client", "--ui", "line"]
