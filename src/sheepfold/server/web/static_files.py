"""The version of the static files: a part of their address, so that browsers may keep them for good."""

import hashlib
from pathlib import Path

STATIC = Path(__file__).parent / "static"
DIGITS = 12


def static_version() -> str:
    """A few hex digits that change whenever any static file does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(STATIC)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]
