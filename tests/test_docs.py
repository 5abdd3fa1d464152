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


def test_decisions_are_numbered_once_each() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    assert [page.name for page in pages if not page.read_text().startswith(f"# {int(page.name[:4])} · ")] == []
