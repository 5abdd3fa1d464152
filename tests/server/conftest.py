"""A real server for tests: the farm's application on a real socket, over the test's database."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog
import uvicorn

from sheepfold.server.asgi import make_application
from sheepfold.server.http import BoundedHttp, open_socket


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address for clients."""
        return f"http://{self.host}:{self.port}"


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    """The farm on a free port of the loopback interface."""
    with open_socket("127.0.0.1", 0) as listening:
        settings = uvicorn.Config(
            make_application(),
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        running = uvicorn.Server(settings)
        running.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # not the main thread
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield Server(*listening.getsockname()[:2])
        running.should_exit = True
        thread.join()


@pytest.fixture
def exceptions(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Whatever reaches the log with a stack trace from now on, from the farm or from a library."""
    found: list[str] = []

    def note(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event.get("exc_info"):
            found.append(repr(sys.exc_info()[1]))
        return event

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[note, *before])
    yield found
    structlog.configure(processors=before)
    found += [record.getMessage() for record in caplog.records if record.exc_info]
