"""The world of the pages, and a browser to look at it."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import Client
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser import chromium
from tests.server.conftest import Server
from tests.server.web.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """See `make_world`."""
    return make_world()


@pytest.fixture
def lasting_world(server: Server) -> World:
    """The world in rows that the server sees."""
    with transaction.atomic():
        return make_world()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """See `chromium`. Playwright runs an event loop in this thread, where Django would refuse to work."""
    with pytest.MonkeyPatch.context() as patch, chromium() as running:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield running


def sign_in(context: BrowserContext, server: Server, world: World, role: str) -> None:
    """As if they had signed in with their password."""
    client, person = Client(), world.people[role]
    assert person is not None
    client.force_login(person)
    session = client.cookies["sheepfold_site"].value
    context.add_cookies([{"name": "sheepfold_site", "value": session, "url": server.url}])
