"""Frames become a film that plays; bad images cost at most their own place."""

import io
import os
import signal
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
import OpenImageIO
import pytest
from PIL import Image

from sheepfold.server.core.storage import store
from sheepfold.server.outputs import encoder, video
from sheepfold.server.outputs.encoder import colour_channels, to_srgb
from sheepfold.server.outputs.video import EncodingFailed, Film, encode_film, frame_rate

RED, BLUE = (200, 30, 40), (20, 130, 240)


def kept(image: Image.Image, image_format: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return store().keep_bytes(buffer.getvalue(), "image/x").sha256


def plain(colour: tuple[int, ...], size: tuple[int, int] = (64, 48), mode: str = "RGB") -> str:
    return kept(Image.new(mode, size, colour))


def exr(folder: Path, light: Sequence[float], names: Sequence[str]) -> str:
    spec = OpenImageIO.ImageSpec(64, 48, len(names), OpenImageIO.HALF)
    spec.channelnames = tuple(names)
    buffer = OpenImageIO.ImageBuf(spec)
    OpenImageIO.ImageBufAlgo.fill(buffer, tuple(light))
    path = folder / "frame.exr"
    assert buffer.write(str(path))
    return store().keep_bytes(path.read_bytes(), "image/x-exr").sha256


def watch(path: Path) -> tuple["av.VideoStream", list[list[int]]]:
    """The stream and the colour in the middle of each of its frames."""
    container = av.open(str(path))
    stream = container.streams.video[0]
    pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    return stream, [picture[picture.shape[0] // 2, picture.shape[1] // 2].tolist() for picture in pictures]


def alike(seen: Sequence[int], meant: Sequence[int]) -> bool:
    return all(abs(one - other) <= 3 for one, other in zip(seen, meant, strict=True))


def test_the_film_has_the_frames_in_order_in_their_colours_at_the_projects_rate(tmp_path: Path) -> None:
    film = encode_film([plain(RED), plain(BLUE), plain((0, 0, 0))], 23.976023976, tmp_path / "film.mp4", store())
    assert film == Film(frames=3)
    stream, colours = watch(tmp_path / "film.mp4")
    assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    assert (stream.width, stream.height, stream.average_rate) == (64, 48, Fraction(24000, 1001))
    assert [alike(*pair) for pair in zip(colours, [RED, BLUE, (0, 0, 0)], strict=True)] == [True] * 3


def test_odd_sizes_become_even_and_other_sizes_are_scaled_to_the_first(tmp_path: Path) -> None:
    film = encode_film([plain(RED, (63, 49)), plain(BLUE, (200, 20))], 24, tmp_path / "film.mp4", store())
    stream, colours = watch(tmp_path / "film.mp4")
    assert (film.frames, stream.width, stream.height) == (2, 62, 48)
    assert alike(colours[1], BLUE)


def test_an_image_of_one_pixel_is_large_enough(tmp_path: Path) -> None:
    encode_film([plain(RED, (1, 1)), plain(RED, (1, 1))], 24, tmp_path / "film.mp4", store())
    stream, colours = watch(tmp_path / "film.mp4")
    assert (stream.width, stream.height, len(colours)) == (2, 2, 2)


def test_what_is_transparent_is_shown_over_black(tmp_path: Path) -> None:
    half = plain((*RED, 128), mode="RGBA")
    encode_film([half, half], 24, tmp_path / "film.mp4", store())
    assert alike(watch(tmp_path / "film.mp4")[1][0], [value // 2 for value in RED])


def test_light_is_shown_as_srgb_from_plain_and_multilayer_exr(tmp_path: Path) -> None:
    single = exr(tmp_path, (0.5, 0.0, 1.0), ("R", "G", "B"))
    layers = exr(
        tmp_path,
        (9.0, 0.0, 0.5, 1.0),
        ("View.Depth.Z", "View.Combined.B", "View.Combined.G", "View.Combined.R"),
    )
    encode_film([single, layers], 24, tmp_path / "film.mp4", store())
    colours = watch(tmp_path / "film.mp4")[1]
    assert alike(colours[0], (188, 0, 255))
    assert alike(colours[1], (255, 188, 0))


def test_bad_images_are_left_out_and_said(tmp_path: Path) -> None:
    whole = kept(Image.effect_noise((64, 48), 50).convert("RGB"))
    cut = store().keep_bytes(store().read(whole)[:1000], "image/png").sha256
    text = store().keep_bytes(b"not an image at all", "image/png").sha256
    broken_exr = store().keep_bytes(b"\x76\x2f\x31\x01" + b"\x00" * 50, "image/x-exr").sha256
    film = encode_film([whole, cut, text, broken_exr, whole], 24, tmp_path / "film.mp4", store())
    assert (film.frames, len(film.skipped)) == (2, 3)
    assert len(watch(tmp_path / "film.mp4")[1]) == 2


def test_fewer_than_two_readable_frames_are_no_film(tmp_path: Path) -> None:
    bad = store().keep_bytes(b"bad", "image/png").sha256
    with pytest.raises(EncodingFailed, match="2 readable frames"):
        encode_film([plain(RED), bad], 24, tmp_path / "film.mp4", store())


def test_an_encoder_that_dies_on_an_image_fails_the_film_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def starting(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(popen(*arguments, **options))
        os.kill(started[-1].pid, signal.SIGKILL)
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", starting)
    with pytest.raises(EncodingFailed, match="the encoder ended with -9"):
        encode_film([plain(RED), plain(BLUE)], 24, tmp_path / "film.mp4", store())
    assert started[0].returncode == -9


def test_an_encoder_that_hangs_on_an_image_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame whose file is a pipe that nobody writes to is read for ever."""
    monkeypatch.setattr(video, "IMAGE_SECONDS", 0.1)
    ref = store().keep_bytes(b"replaced by a pipe", "image/png")
    path = store().path(ref.sha256)
    assert path is not None
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(type(store()), "path", lambda *_: path)
    with pytest.raises(EncodingFailed, match="for one image"):
        encode_film([ref.sha256], 24, tmp_path / "film.mp4", store())
    path.unlink()


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (24, Fraction(24)),
        (24 / 1.001, Fraction(24000, 1001)),
        (30 / 1.001, Fraction(30000, 1001)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_rates_are_those_that_film_formats_know(fps: float, rate: Fraction) -> None:
    assert frame_rate(fps) == rate


@pytest.mark.parametrize(
    ("names", "picked"),
    [
        (["R", "G", "B", "A"], [0, 1, 2]),
        (["B", "G", "R"], [2, 1, 0]),
        (["a.Combined.B", "a.Combined.G", "a.Combined.R"], [2, 1, 0]),
        ([*"RGB", *(f"Composite.Combined.{colour}" for colour in "BGR")], [5, 4, 3]),
        (["Y"], [0, 0, 0]),
        (["x", "y", "z", "w"], [0, 1, 2]),
    ],
)  # fmt: skip
def test_the_picture_is_found_among_the_channels(names: list[str], picked: list[int]) -> None:
    assert colour_channels(names) == picked


def test_light_that_is_no_number_or_too_bright_is_black_or_white() -> None:
    light = numpy.array([[[numpy.nan, numpy.inf, -1.0]]], dtype=numpy.float32)
    assert to_srgb(light).tolist() == [[[0, 255, 0]]]


def test_a_missing_file_is_a_bad_image(tmp_path: Path) -> None:
    with pytest.raises(encoder.BadImage):
        encoder.read_image(tmp_path / "nothing.png")
