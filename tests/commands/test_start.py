import subprocess
import sys

from click.testing import CliRunner

from sheepfold.cli import COMMANDS, cli


def test_help_names_every_command_and_loads_none() -> None:
    code = "import sys; from sheepfold.cli import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [name for name in COMMANDS if f"\n  {name} " not in output] == []
    assert not {"django", "httpx2", "rich"} & set(output.split())


def test_every_command_has_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(cli, [name, "--help"])
        assert (name, result.exit_code) == (name, 0)


def test_an_unknown_command_is_named() -> None:
    result = CliRunner().invoke(cli, ["dance"])
    assert result.exit_code == 2
    assert "No such command 'dance'." in result.output
