"""What Sheepfold's client and server agree on beyond SheepIt, carried in `extras`.

The client writes `sheepfold/2 heartbeat=60 leases=3` into the session request, the server answers in the
same form in the `extras` attribute of `config`. A SheepIt server ignores the first; a SheepIt client never
sends it.

Version 1 agrees on heartbeat and leases. From version 2 on the server tells the owner's wish with each answer to a
heartbeat or job request, and the client says which it obeys.
"""

import re
from dataclasses import dataclass, replace

from sheepfold.protocol import limits

VERSION = 2
STEERED_FROM = 2  # the version from which on a client obeys its owner's wish
_PRODUCT = "sheepfold"
# A parameter of archive requests: the place that the farm redirected to gave nothing, so it shall send the bytes itself
NOT_DIRECT = ("direct", "0")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Extras:
    """One side's word. `heartbeat`: seconds between two signs of life. `leases`: tiles open at once.

    Only clients say `instance`, the same for each start from one cache folder, and `run`, another one for each start:
    so the server knows that what an earlier run held is lost.
    """

    version: int = VERSION
    heartbeat: int = limits.OWN_HEARTBEAT_DEFAULT
    leases: int = limits.OWN_OPEN_TILES_DEFAULT
    instance: str = ""
    run: str = ""

    @property
    def steered(self) -> bool:
        """Whether the owner's wish travels."""
        return self.version >= STEERED_FROM


def format_extras(extras: Extras) -> str:
    """The text that travels."""
    said = f"{_PRODUCT}/{extras.version} heartbeat={extras.heartbeat} leases={extras.leases}"
    names = (("instance", extras.instance), ("run", extras.run))
    return " ".join([said, *(f"{key}={name}" for key, name in names if name)])


def parse_extras(text: str | None) -> Extras | None:
    """What the other side said, or None when it is not Sheepfold. Words of later versions are skipped."""
    words = (text or "").split(" ")
    version = _number(words[0].removeprefix(f"{_PRODUCT}/"))
    if not words[0].startswith(f"{_PRODUCT}/") or version is None or version < 1:
        return None
    extras = Extras(version=version)
    for word in words[1:]:
        key, _, value = word.partition("=")
        number = _number(value)
        if key == "heartbeat" and number is not None:
            extras = replace(extras, heartbeat=number)
        elif key == "leases" and number is not None:
            extras = replace(extras, leases=number)
        elif key == "instance" and _NAME.fullmatch(value):
            extras = replace(extras, instance=value)
        elif key == "run" and _NAME.fullmatch(value):
            extras = replace(extras, run=value)
    return extras


def agree(wish: Extras) -> Extras:
    """What the server grants: the wish, kept within `limits`, in a version that both sides know."""
    return Extras(
        version=min(wish.version, VERSION),
        heartbeat=min(max(wish.heartbeat, limits.OWN_HEARTBEAT_MIN), limits.OWN_HEARTBEAT_MAX),
        leases=min(max(wish.leases, 1), limits.OWN_OPEN_TILES_MAX),
    )


def silence_limit(agreed: Extras | None) -> int:
    """Seconds of silence after which a session may be ended; None is a foreign client."""
    if agreed is None:
        return limits.FOREIGN_SILENCE
    return agreed.heartbeat * limits.OWN_HEARTBEATS_MISSED


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
