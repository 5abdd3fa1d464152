"""The grid of frames in a real browser: by keyboard, without the stream, and with ten thousand frames."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from playwright.sync_api import Browser, Page, expect

from sheepfold.server.frames.models import Tile
from tests.server.conftest import Server
from tests.server.farm import NOON
from tests.server.web.conftest import sign_in
from tests.server.web.world import World, finish_frame

MANY = 10_000
MOST_CELLS = 1_000  # that a screen ever needs at the usual size


@pytest.fixture
def page(server: Server, lasting_world: World, browser: Browser) -> Iterator[Page]:
    """The owner's browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    sign_in(context, server, lasting_world, "owner")
    yield context.new_page()
    context.close()


def address(server: Server, world: World) -> str:
    """Of the project."""
    return f"{server.url}/projects/{world.project.pk}/"


def test_the_grid_works_by_keyboard(server: Server, lasting_world: World, page: Page) -> None:
    page.goto(address(server, lasting_world))
    expect(page.locator(".cell")).to_have_count(3)
    page.locator("#frames").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#again-frames")).to_have_value("2-3")
    expect(page.locator(".cell[aria-selected=true]")).to_have_count(2)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer [data-number]")).to_have_text("Frame 1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer [data-number]")).to_have_text("Frame 2")
    page.keyboard.press("Escape")
    expect(page.locator("#frames")).to_be_focused()


@pytest.mark.parametrize("status", [None, 502])
def test_frames_arrive_also_where_streams_do_not_get_through(
    server: Server, lasting_world: World, page: Page, status: int | None
) -> None:
    page.route("**/live/", lambda route: route.fulfill(status=status) if status else route.abort())
    page.goto(address(server, lasting_world))
    expect(page.locator(".cell.seen")).to_have_count(1)
    with transaction.atomic():
        finish_frame(lasting_world.project, lasting_world.machine, 2)
    expect(page.locator(".cell.seen")).to_have_count(2)
    expect(page.locator("[data-count=done]")).to_have_text("2")


def test_of_ten_thousand_frames_only_those_on_the_screen_are_drawn(
    server: Server, lasting_world: World, page: Page
) -> None:
    project = lasting_world.project
    Tile.objects.bulk_create(
        (Tile(project=project, frame=frame, rank=frame, changed_at=NOON) for frame in range(4, MANY + 1)),
        batch_size=2000,
    )
    page.goto(address(server, lasting_world))
    expect(page.locator("[data-count=total]")).to_have_text(str(MANY))
    expect(page.locator("#cell-1")).to_be_visible()
    assert page.locator(".cell").count() < MOST_CELLS
    page.evaluate("document.getElementById('frames').scrollIntoView({block: 'end'})")
    expect(page.locator(f"#cell-{MANY}")).to_be_visible()
    assert page.locator(".cell").count() < MOST_CELLS
    expect(page.locator("#cell-1")).to_have_count(0)
