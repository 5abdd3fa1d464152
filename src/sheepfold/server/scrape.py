"""`/metrics` for Prometheus: to this machine itself or with the token of the settings; to others it is not there."""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import ip_address

import structlog
from django.db import DatabaseError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sheepfold.server.core.config import config
from sheepfold.server.core.metrics import CONTENT_TYPE, GaugeFact, written_gauges, written_metrics
from sheepfold.server.node_api.desk import Desk
from sheepfold.server.pipeline.farm_numbers import FarmNumbers, read_numbers

log = structlog.get_logger()

PATIENCE = 2.0  # seconds for the database: without it the other metrics are wanted most
FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded", "via")
MEANINGS = {
    "connected_machines": "Machines with a live session.",
    "live_sessions": "Sessions that have not ended.",
    "open_leases": "Tiles that are in the hands of machines.",
    "open_projects": "Projects that render.",
    "frames_left": "Tiles of these that are not done.",
    "frames_rendering": "Tiles of these that are being rendered.",
    "frames_last_hour": "Frames that were accepted within an hour.",
}


def metrics_route(desk: Desk) -> Route:
    """The page."""

    async def metrics(request: Request) -> Response:
        if not _may_read(request):
            return Response("Not Found", 404, media_type="text/plain")
        return Response(await _farm_gauges(desk) + written_metrics(), media_type=CONTENT_TYPE)

    return Route("/metrics", metrics)


def _may_read(request: Request) -> bool:
    """What a proxy on this machine passes on comes from elsewhere, though its connection does not."""
    token = config().metrics_token.get_secret_value()
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    return _is_loopback(request) and not any(name in request.headers for name in FORWARDED)


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:  # a Unix socket, or what a proxy made of it
        return False


async def _farm_gauges(desk: Desk) -> bytes:
    """The numbers that a timer wrote last: the same from every process of the farm."""
    try:
        async with asyncio.timeout(PATIENCE):
            numbers = await desk.commits.run(_numbers_for_each, None)
    except (TimeoutError, DatabaseError) as error:
        log.warning("metrics without the farm's numbers", error=repr(error))
        return b""
    values = asdict(numbers)
    return written_gauges(GaugeFact(f"sheepfold_{name}", words, values[name]) for name, words in MEANINGS.items())


def _numbers_for_each(askers: Sequence[None]) -> list[FarmNumbers]:
    """A group handler."""
    return [read_numbers()] * len(askers)
