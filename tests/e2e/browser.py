"""Debian's Chromium under the hands of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 60_000  # milliseconds


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=PROGRAM, args=list(FLAGS))
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    """A page of a person of their own, with no cookies. An error of a script fails the test at the next step."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", _fail)
    return page


def press(page: Page, name: str) -> None:
    """The button or link of exactly this name."""
    button, link = page.get_by_role("button", name=name, exact=True), page.get_by_role("link", name=name, exact=True)
    button.or_(link).first.click()


def _fail(error: object) -> None:
    raise AssertionError(f"a script failed: {error}")
