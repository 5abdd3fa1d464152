"""How numbers are written, and which part of a file a browser asks for."""

from datetime import timedelta

import pytest
from django.test import RequestFactory

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.clock import now
from sheepfold.server.core.storage import store
from sheepfold.server.web.downloads import send_blob
from sheepfold.server.web.templatetags.farm import ago, duration, memory, percent, points, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "–"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 40, "1.0 TiB"), (1 << 51, "2048.0 TiB")],
)
def test_sizes(count: int | None, words: str) -> None:
    assert size(count) == words


def test_memory_points_and_parts() -> None:
    assert memory(1 << 20) == "1.0 GiB"
    assert points(-1_204_500) == "-1,204.5"
    assert (percent(1, 3), percent(1, 0)) == ("33.33", "0")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "just now"), (42, "42 s ago"), (185, "3 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert ago(now() - timedelta(seconds=seconds)) == words


DATA = bytes(range(100))


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("", 200, (0, 100)),
        ("bytes=10-19", 206, (10, 20)),
        ("bytes=90-", 206, (90, 100)),
        ("bytes=-5", 206, (95, 100)),
        ("bytes=-500", 206, (0, 100)),
        ("bytes=90-500", 206, (90, 100)),
        ("bytes=100-", 200, (0, 100)),
        ("bytes=20-10", 200, (0, 100)),
        ("bytes=-", 200, (0, 100)),
        ("lines=1-2", 200, (0, 100)),
    ],
)
def test_parts_of_a_file(db: None, header: str, status: int, part: tuple[int, int]) -> None:
    start, end = part
    blob = record_blob(ref=store().keep_bytes(DATA, "video/mp4"))
    request = RequestFactory().get("/", headers={"Range": header} if header else {})
    response = send_blob(request, blob, filename="film.mp4", attached=False)
    assert (response.status_code, response.headers["Content-Length"]) == (status, str(end - start))
    assert response.headers.get("Content-Range") == (f"bytes {start}-{end - 1}/100" if status == 206 else None)


def test_a_file_that_a_browser_might_run_is_only_kept(db: None) -> None:
    blob = record_blob(ref=store().keep_bytes(b"<script>", "text/html"))
    response = send_blob(RequestFactory().get("/"), blob, filename='a"; x.html', attached=False)
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%22%3B%20x.html"
