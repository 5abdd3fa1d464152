"""Numbers in query strings."""

from sheepfold.server.core.errors import BadInput

LONGEST = 18  # digits that every database keeps


def number(name: str, text: str, default: int = 0) -> int:
    """A whole number of at least 0. Raises BadInput for anything else."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST):
        raise BadInput(f"{name}: write a whole number")
    return int(text)
