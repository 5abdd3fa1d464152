"""How programs on the server's machine reach the farm: its address and a token, kept in the data folder.

Whoever may read that folder owns the farm anyway, so nothing has to be set up there.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "local.json"


@dataclass(frozen=True)
class LocalAccess:
    """Where the farm of this machine answers and the token of its first admin."""

    url: str
    token: str


def read_local_access(data_dir: Path) -> LocalAccess | None:
    """What the last `sheepfold serve` of this data folder wrote, or None."""
    try:
        found = json.loads((data_dir / FILE).read_text())
        return LocalAccess(url=str(found["url"]), token=str(found["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_local_access(data_dir: Path, access: LocalAccess) -> None:
    """Write it whole or not at all, readable by its owner alone."""
    descriptor, draft = tempfile.mkstemp(dir=data_dir)  # made with owner-only rights
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(access), file)
    Path(draft).replace(data_dir / FILE)
