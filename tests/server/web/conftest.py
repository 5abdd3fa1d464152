"""The world of the pages as a fixture."""

import pytest

from tests.server.web.world import World, make_world


@pytest.fixture
def world(db: None) -> World:
    """See `make_world`."""
    return make_world()
