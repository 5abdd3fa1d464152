"""Whether this process lives (`/healthz`) and whether it should be sent requests (`/readyz`).

Answered before Django, so that they work when nothing else does. The words say what is wrong, never why in detail:
anybody may read them.
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sheepfold.server.core.errors import Unavailable
from sheepfold.server.core.storage import store, temporary_path

log = structlog.get_logger()

PATIENCE = 5.0  # seconds for the database and for the store
KEPT_SECONDS = 1.0  # however often somebody asks, the parts are looked at once in this time
NO_BLOB = "0" * 64
NO_CACHE = {"Cache-Control": "no-store"}

_draining = threading.Event()


def begin_draining() -> None:
    """From now on `/readyz` tells everybody to go elsewhere."""
    _draining.set()


class Readiness:
    """What keeps this process from answering requests. A part that hangs holds up nobody but its own look."""

    def __init__(self) -> None:
        self._looks = {"database": _look_at_database, "store": _look_at_store}
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=f"ready-{name}") for name in self._looks}
        self._lock = asyncio.Lock()
        self._troubles: list[str] = []
        self._at = -1e9

    def close(self) -> None:
        """Forget the threads; one that hangs is not waited for."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def troubles(self) -> list[str]:
        """A line for each thing that is wrong."""
        if _draining.is_set():
            return ["the process is ending"]
        async with self._lock:
            if time.monotonic() - self._at > KEPT_SECONDS:
                found = await asyncio.gather(*(self._look(name) for name in self._looks))
                self._troubles, self._at = [line for line in found if line], time.monotonic()
        return self._troubles

    async def _look(self, name: str) -> str:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                return await loop.run_in_executor(self._threads[name], self._looks[name])
        except TimeoutError:
            return f"the {name} does not answer"


def _look_at_database() -> str:
    close_old_connections()
    try:
        return _missing_migrations()
    except DatabaseError as error:
        log.warning("database not reached", error=str(error))
        connection.close()
        return "the database does not answer"


def _missing_migrations() -> str:
    """Once the tables have this version's shape they keep it, and reading how far they are takes a while."""
    global _migrated
    if _migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return ""
    executor = MigrationExecutor(connection)
    _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if _migrated else "the database lacks this version's migrations; run `sheepfold migrate`"


_migrated = False


def _look_at_store() -> str:
    try:
        with temporary_path():
            store().exists(NO_BLOB)
    except (OSError, Unavailable) as error:
        log.warning("store not reached", error=str(error))
        return "the store does not answer"
    return ""


def health_routes(readiness: Readiness) -> list[Route]:
    """Both endpoints."""

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive\n", headers=NO_CACHE)

    async def ready(_: Request) -> Response:
        troubles = await readiness.troubles()
        return PlainTextResponse("\n".join([*troubles, ""]) or "ready\n", 503 if troubles else 200, headers=NO_CACHE)

    return [Route("/healthz", live), Route("/readyz", ready)]
