"""What a renderer archive is for. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """In the protocol's words: `linux`, `windows`, `mac`, … and 32 or 64 bits."""

    os: str
    bits: int

    def __str__(self) -> str:
        return f"{self.os} {self.bits} bit"
