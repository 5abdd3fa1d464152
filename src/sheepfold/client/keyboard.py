"""What the owner types under the live display. The terminal's own echo would tear that, so it is off meanwhile."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_ESCAPE = b"\x1b"  # begins what arrows and other keys without a letter send
_DELETE = "\x7f\b"


@contextmanager
def without_echo(stream: TextIO) -> Iterator[None]:
    """The terminal gives each letter at once and does not show it; afterwards it is as before."""
    if sys.platform == "win32":
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(stream.fileno())
    tty.setcbreak(stream.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(stream.fileno(), termios.TCSADRAIN, before)


def typed_lines(stream: TextIO, show: Callable[[str], None]) -> Iterator[str]:
    """Each line once it is finished. `show` gets what there is of the next one, after every key."""
    text = ""
    while keys := os.read(stream.fileno(), 1024):
        for letter in "" if keys.startswith(_ESCAPE) else keys.decode(errors="ignore"):
            if letter in "\r\n":
                yield text
                text = ""
            elif letter in _DELETE:
                text = text[:-1]
            elif letter.isprintable():
                text += letter
        show(text)
