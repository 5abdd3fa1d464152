"""Has the accepted frames of a project made into a film, by a process of its own."""

import select
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

from sheepfold.server.core.errors import FarmError
from sheepfold.server.core.storage import Storage

IMAGE_SECONDS = 120  # 16k images take a few
FINISH_SECONDS = 600  # writing the end of a long film to a slow disk
MIN_FRAMES = 2  # one picture is no film


class EncodingFailed(FarmError):
    """There is no film, and why."""


@dataclass(frozen=True, slots=True)
class Film:
    """How many images are in a film, and why others are not."""

    frames: int
    skipped: tuple[str, ...] = ()


def frame_rate(fps: float) -> Fraction:
    """24 → 24, 23.976… → 24000/1001: the nearest rate that film formats know."""
    return Fraction(fps).limit_denominator(1001)


def encode_film(sha256s: Iterable[str], fps: float, target: Path, source: Storage) -> Film:
    """Make the film at `target`. Images that cannot be read are left out. Raises EncodingFailed."""
    command = [sys.executable, "-m", "sheepfold.server.outputs.encoder", str(target), str(frame_rate(fps))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as encoder:
        try:
            answers = [_hand_over(encoder, sha256, source) for sha256 in sha256s]
            _finish(encoder)
        finally:
            encoder.kill()
    skipped = tuple(answer.removeprefix("skipped ") for answer in answers if answer != "ok")
    if len(answers) - len(skipped) < MIN_FRAMES:
        raise EncodingFailed(f"a film needs {MIN_FRAMES} readable frames or more")
    return Film(len(answers) - len(skipped), skipped)


def _hand_over(encoder: "subprocess.Popen[bytes]", sha256: str, source: Storage) -> str:
    with source.local(sha256) as path:
        try:
            _pipe(encoder.stdin).write(f"{path}\n".encode())
        except BrokenPipeError:
            raise _died(encoder) from None
        answer = _answer(_pipe(encoder.stdout))
    if not answer:
        raise _died(encoder)
    return answer


def _answer(pipe: IO[bytes]) -> str:
    readable, _, _ = select.select([pipe], [], [], IMAGE_SECONDS)
    if not readable:
        raise EncodingFailed(f"the encoder took more than {IMAGE_SECONDS} s for one image; ask for the film again")
    return pipe.readline().decode().rstrip("\n")


def _finish(encoder: "subprocess.Popen[bytes]") -> None:
    _pipe(encoder.stdin).close()
    try:
        ended = encoder.wait(FINISH_SECONDS)
    except subprocess.TimeoutExpired:
        raise EncodingFailed("the encoder did not come to an end; ask for the film again") from None
    if ended != 0:
        raise _died(encoder)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the process was started without this pipe")
    return pipe


def _died(encoder: "subprocess.Popen[bytes]") -> EncodingFailed:
    return EncodingFailed(f"the encoder ended with {encoder.wait()}; the server's log says why")
