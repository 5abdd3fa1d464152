"""What the HTTP server calls: the node API at `/server/…`, Django for everything else (ADR 5)."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sheepfold.server.settings")

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

django_application = get_asgi_application()  # loads the models that the next imports need

from sheepfold.server.core.request_log import RequestLog  # noqa: E402
from sheepfold.server.health import Readiness, health_routes  # noqa: E402
from sheepfold.server.node_api.app import NodeApi, SingleSlashes  # noqa: E402
from sheepfold.server.node_api.desk import Desk  # noqa: E402
from sheepfold.server.scrape import metrics_route  # noqa: E402


def make_application() -> ASGIApp:
    """The application of one process, with a desk of its own."""
    desk, readiness = Desk(), Readiness()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        desk.open()
        yield
        desk.close()
        readiness.close()

    routes = [
        *health_routes(readiness),
        metrics_route(desk),
        Mount("/", app=cast(ASGIApp, django_application)),
    ]
    site = Starlette(routes=routes, lifespan=lifespan)
    return SingleSlashes(NodeApi(desk, RequestLog(site)))


application = make_application()
