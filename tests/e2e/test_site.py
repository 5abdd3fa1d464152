"""The site as people use it: a real farm, a real client with a real Blender, a real browser."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import av
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.conftest import EmptyFarm
from tests.e2e.browser import chromium, new_page, press
from tests.e2e.running import ClientProcess, FarmProcess
from tests.e2e.test_pixels import build_scene

PASSWORD = "quiet-meadow-7"
PIECE = 8 * 1024 * 1024  # what the page sends at a time
FRAMES = 6


@pytest.fixture
def farm(empty_farm: EmptyFarm, tmp_path: Path) -> Iterator[FarmProcess]:
    """A new farm that lets everybody sign up."""
    running = FarmProcess(empty_farm, tmp_path / "farm.log", settings={"SHEEPFOLD_SIGNUP": "open"})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def clients() -> Iterator[list[ClientProcess]]:
    """Put started clients here; they end with the test, however it ends."""
    started: list[ClientProcess] = []
    yield started
    for client in started:
        client.kill()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """See `chromium`."""
    with chromium() as running:
        yield running


def test_from_an_empty_farm_to_a_film(
    farm: FarmProcess, clients: list[ClientProcess], browser: Browser, tmp_path: Path
) -> None:
    key = set_up_farm(farm, new_page(browser))
    clients.append(ClientProcess(farm, tmp_path / "client", key, living=True))
    clients[0].start()
    page = new_page(browser)
    sign_up(farm, page)
    upload_with_interruptions(farm, page, heavy_zip(tmp_path))
    start_project(page)
    watch_frames_arrive(page)
    play(page)
    check_zip(page)
    check_film(page)
    look_by_link(page, new_page(browser))
    delete_and_undo(page)


def set_up_farm(farm: FarmProcess, page: Page) -> str:
    """The first admin comes by the printed link, takes the installed Blender, and lends a machine. Returns its key."""
    link = re.search(r"http\S+/first-run/\S+", farm.log.read_text())
    assert link is not None
    page.goto(link.group())
    page.fill("#id_username", "ada")
    page.fill("#id_password", PASSWORD)
    press(page, "Make the account and go on")
    press(page, "Use it")
    expect(page.locator("h2", has_text="default")).to_contain_text("Blender")
    page.goto(f"{farm.url}/machines/lend/")
    page.fill("#name", "this machine")
    press(page, "Make a key")
    return page.inner_text("#key").strip()


def sign_up(farm: FarmProcess, page: Page) -> None:
    """An artist makes an account."""
    page.goto(f"{farm.url}/")
    press(page, "Make an account")
    page.fill("#id_username", "bo")
    page.fill("#id_password1", PASSWORD)
    press(page, "Make the account")
    expect(page.locator("h1")).to_have_text("The farm now")


def heavy_zip(folder: Path) -> Path:
    """A scene with a file that makes it three pieces long."""
    path = folder / "walk.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(build_scene(folder), "walk/walk.blend")
        archive.writestr("walk/cache.bin", Random(1).randbytes(2 * PIECE))
    return path


def upload_with_interruptions(farm: FarmProcess, page: Page, scene: Path) -> None:
    """The connection is lost after the first piece, the web server is killed, the page is loaded anew."""
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{farm.url}/projects/new/")
    page.route("**/upload/*/", lose_all_but_the_first_piece)
    page.set_input_files("#scene", scene)
    expect(page.locator("#upload-problem")).to_contain_text("The connection is lost")
    farm.kill_child("web")
    page.goto(f"{farm.url}/projects/new/")
    page.unroute("**/upload/*/")
    offsets: list[str] = []
    page.on("request", lambda request: offsets.append(request.headers["upload-offset"]) if is_piece(request) else None)
    page.set_input_files("#scene", scene)
    page.wait_for_url(re.compile(r"/projects/\d+/"))
    assert offsets == [str(PIECE), str(2 * PIECE)]


def lose_all_but_the_first_piece(route: Route) -> None:
    if is_piece(route.request) and route.request.headers["upload-offset"] != "0":
        route.abort("connectionreset")
    else:
        route.continue_()


def is_piece(request: Request) -> bool:
    return request.method == "PATCH"


def start_project(page: Page) -> None:
    """The page goes on by itself when the analysis is done."""
    page.fill("#id_frames", f"1-{FRAMES}")
    page.fill("#id_percentage", "50")
    press(page, "Start rendering")


def watch_frames_arrive(page: Page) -> None:
    """Every frame appears without a reload."""
    expect(page.locator("#frames")).to_be_attached()
    page.evaluate("document.body.dataset.sameDocument = 'yes'")
    expect(page.locator("[data-count=done]")).to_have_text(str(FRAMES), timeout=120_000)
    expect(page.locator(".cell.seen")).to_have_count(FRAMES)
    assert page.evaluate("document.body.dataset.sameDocument") == "yes"


def play(page: Page) -> None:
    """A frame opens large, the keys turn pages, and the finished frames run as an animation."""
    page.evaluate("document.getElementById('frames').scrollIntoView()")
    page.click(f"#cell-{FRAMES}")
    expect(page.locator("[data-number]")).to_have_text(f"Frame {FRAMES}")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-number]")).to_have_text(f"Frame {FRAMES - 1}")
    page.keyboard.press("Space")
    for number in (2, FRAMES):  # it runs in a loop, so each comes again
        expect(page.locator("#viewer canvas")).to_have_attribute("data-frame", str(number))
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def check_zip(page: Page) -> None:
    """All frames, decodable, in half the size of the scene."""
    with page.expect_download() as download:
        press(page, "Frames as zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        sizes = [Image.open(io.BytesIO(archive.read(name))).size for name in archive.namelist()]
    assert sizes == [(80, 45)] * FRAMES


def check_film(page: Page) -> None:
    """It has every frame. The button comes by itself when the film is made."""
    with page.expect_download() as download:
        press(page, "Video")
    with av.open(str(download.value.path())) as film:
        assert sum(1 for _ in film.decode(video=0)) == FRAMES


def look_by_link(page: Page, guest: Page) -> None:
    """Whoever has the link looks, and cannot change anything."""
    project = page.url
    press(page, "Share")
    press(page, "Make a link")
    guest.goto(page.inner_text("#link").strip())
    expect(guest.locator(".cell.seen")).to_have_count(FRAMES)
    assert guest.locator("main form").count() == 0
    guest.goto(project)
    expect(guest.locator("h1")).to_have_text("Sign in")
    page.goto(project)


def delete_and_undo(page: Page) -> None:
    """The bin gives it back as it was."""
    project = page.url
    press(page, "Delete")
    press(page, "Undo")
    assert page.url == project
    expect(page.locator(".cell.seen")).to_have_count(FRAMES)
