"""Every page in a real browser: no serious accessibility violation, nothing too wide, nothing too heavy."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.server.conftest import Server
from tests.server.web.conftest import sign_in
from tests.server.web.test_permissions import TABLE, filled
from tests.server.web.world import World

AXE = Path(__file__).parents[2] / "e2e" / "vendor" / "axe-4.14.1.min.js"
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
MAX_BYTES = 150_000  # of a page, before images and data
NO_PAGES = ("live", "figures", ".json", "thumbnail", "picture", "image", "zip", "logs", "/log/", "first-run")
SERIOUS = """axe.run(document, {resultTypes: ["violations"]}).then((result) => result.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}`)))"""
WEIGHT = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((one) => !/thumbnail|picture|frames\\.json/.test(one.name))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""


@pytest.mark.parametrize(("size", "look"), [("desktop", "light"), ("phone", "dark")])
def test_every_page_is_accessible_and_fits(
    server: Server, lasting_world: World, browser: Browser, size: str, look: str
) -> None:
    context = _context(browser, server, lasting_world, size, look)
    page = context.new_page()
    found = []
    for path in _pages(lasting_world):
        page.goto(server.url + path)
        page.evaluate(AXE.read_text() + "; 0")
        found += [f"{path} {violation}" for violation in page.evaluate(SERIOUS)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path} is wider than the screen")
        if (weight := page.evaluate(WEIGHT)) > MAX_BYTES:
            found.append(f"{path} weighs {weight} bytes")
    context.close()
    assert found == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_grid_and_the_large_view_are_accessible(
    server: Server, lasting_world: World, browser: Browser, look: str
) -> None:
    context = _context(browser, server, lasting_world, "desktop", look)
    page = context.new_page()
    page.goto(f"{server.url}/projects/{lasting_world.project.pk}/")
    expect(page.locator(".cell.seen")).to_have_count(1)
    page.evaluate(AXE.read_text() + "; 0")
    assert page.evaluate(SERIOUS) == []
    page.locator("#cell-1").click()
    expect(page.locator("#viewer [data-details]")).to_contain_text("tower")
    assert page.evaluate(SERIOUS) == []
    context.close()


def _context(browser: Browser, server: Server, world: World, size: str, look: str) -> BrowserContext:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=size == "phone",
        color_scheme="dark" if look == "dark" else "light",
        bypass_csp=True,  # axe is put into the page from outside
    )
    sign_in(context, server, world, "admin")
    return context


def _pages(world: World) -> list[str]:
    rows = [row.path for row in TABLE if row.form is None and not any(word in row.path for word in NO_PAGES)]
    rows = [path for path in rows if not path.endswith("}/machines/")]  # a part of a page
    own = ["/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/nothing/"]
    return [*(filled(path, world) for path in rows), *own]
