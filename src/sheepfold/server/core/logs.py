"""Logs: one line for each event, for people on a terminal and as JSON elsewhere. Secrets never reach them."""

import logging
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

from sheepfold.server.core.redaction import hide_secrets

QUIET = ("httptools", "asyncio", "PIL", "huey.consumer.Scheduler")
_request: ContextVar[str] = ContextVar("request", default="")
FAILURES = ("django.request", "django.security")  # what visitors do wrong is answered, not logged


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send everything, also what libraries log, to standard error."""
    steps: list[structlog.typing.Processor] = [
        _add_request,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # without local variables, which may hold anything
        hide_secrets,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _writer()],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in FAILURES:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("django.security.DisallowedHost").setLevel(logging.CRITICAL)  # the same, but with a stack trace
    structlog.configure(
        processors=[
            structlog.stdlib.PositionalArgumentsFormatter(),
            *steps,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


@contextmanager
def request_id(given: str = "") -> Iterator[str]:
    """Every line that is logged inside carries this id, so that one request can be followed through the log."""
    name = given if given.isalnum() and len(given) <= 64 else f"{random.getrandbits(128):032x}"
    before = _request.set(name)
    try:
        yield name
    finally:
        _request.reset(before)


def _add_request(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if name := _request.get():
        event["request"] = name
    return event


def _writer() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
