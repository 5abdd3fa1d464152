from pathlib import Path

from sheepfold.cli import COMMANDS
from sheepfold.server.core.config import ServerConfig

ROOT = Path(__file__).parents[1]


def test_every_setting_of_the_server_is_documented() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    missing = [name for name in ServerConfig.model_fields if f"| `SHEEPFOLD_{name.upper()}` |" not in page]
    assert missing == []


def test_every_command_is_named_in_the_readme() -> None:
    page = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"sheepfold {name}" not in page] == []
