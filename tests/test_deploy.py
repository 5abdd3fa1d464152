"""What `deploy/` hands to other programs: it parses, and names only what the farm has."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import click
import pytest
from prometheus_client import REGISTRY

from sheepfold.cli import cli
from sheepfold.server.core.config import ServerConfig
from sheepfold.server.scrape import MEANINGS

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/srv/sheepfold/.venv/bin/python -m sheepfold "
DASHBOARD = json.loads((DEPLOY / "grafana" / "sheepfold.json").read_text())


def unit_commands() -> list[str]:
    found = []
    for path in UNITS:
        unit = ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(path)
        command = unit["Service"]["ExecStart"]
        assert command.startswith(PROGRAM)
        found.append(command.removeprefix(PROGRAM).replace("%i", "8081"))
    return found


def compose_commands() -> list[str]:
    lines = re.findall(r"^    command: (.+)$", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE)
    return [line for line in lines if not line.startswith("mini ")]  # that one is the S3 server's


@pytest.mark.parametrize("words", [*unit_commands(), *compose_commands()])
def test_every_command_is_one_that_the_farm_takes(words: str) -> None:
    name, *arguments = shlex.split(words)
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert command is not None
    command.make_context(name, arguments)  # raises where an option does not exist or has no such value


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:  # other systems have no use for units either
        return
    here = tmp_path / path.name.replace("@", "@8081")
    text = path.read_text().replace("/srv/sheepfold/.venv/bin/python", sys.executable)
    here.write_text(text.replace("User=sheepfold", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", here], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_setting_that_is_named_exists() -> None:
    known = {f"SHEEPFOLD_{name.upper()}" for name in ServerConfig.model_fields}
    texts = (path.read_text() for path in DEPLOY.rglob("*") if path.is_file())
    assert {name for text in texts for name in re.findall(r"SHEEPFOLD_[A-Z_]+", text)} - known == set()


def test_the_dashboard_asks_only_for_what_is_measured() -> None:
    for module in ("sheepfold.server.asgi", "sheepfold.server.core.jobs"):
        importlib.import_module(module)
    counted = {name for metric in REGISTRY.collect() for name in _names(metric.name, metric.type)}
    known = counted | {f"sheepfold_{name}" for name in MEANINGS}
    asked = {name for panel in DASHBOARD["panels"] for one in panel["targets"] for name in _asked(one["expr"])}
    assert asked - known == set()
    assert {name for name in counted if name.startswith("sheepfold_") and name.endswith("_total")} <= asked


def _names(metric: str, kind: str) -> list[str]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))
    return [metric + ending for ending in endings]


def _asked(expression: str) -> list[str]:
    return re.findall(r"sheepfold_\w+", expression)


def test_the_dashboards_panels_lie_beside_each_other() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
