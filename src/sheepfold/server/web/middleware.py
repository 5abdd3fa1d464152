"""A bound on connections to the database, headers that keep a page safe, and pages for expected failures."""

import asyncio
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from sheepfold.server.core.errors import FarmError

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",  # data: the QR code of the second factor; blob: frames drawn in the page
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

COMPRESSED = frozenset(
    {"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}
)

# Each page has a connection of its own while it is made. Three web processes and two for the background, with what
# machines need, stay below the 100 connections that PostgreSQL allows when nobody has set it.
PAGES_AT_ONCE = 16

AnyView = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class _Middleware:
    """What Django asks of one that it may call in the event loop and outside of it. Passes everything on."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: AnyView) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request)


class FewConnections(_Middleware):
    """Lets few pages be made at once, and gives a page's connection back as soon as it is made: Django would keep it
    for as long as the answer lasts, which for a page that watches is until it is closed. Whole bodies have come by
    now, and what is streamed goes out later, so nobody slow takes the place of others."""

    def __init__(self, get_response: AnyView) -> None:
        super().__init__(get_response)
        self._room = asyncio.Semaphore(PAGES_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        response = self.get_response(request)
        return response if isinstance(response, HttpResponseBase) else self._in_turn(response)

    async def _in_turn(self, response: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        async with self._room:
            try:
                return await response
            finally:
                await sync_to_async(close_old_connections)()


class SafetyHeaders(_Middleware):
    """Sets the headers above on every answer that does not bring its own."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return _with_headers(response)
        return self._later(response)

    async def _later(self, response: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return _with_headers(await response)


def _with_headers(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        response.headers.setdefault("Cache-Control", "private, no-cache")  # no page of a person in a proxy
    return response


class Gzip(GZipMiddleware):
    """Compresses text. Django adds random bytes against BREACH; pictures, zips and event streams pass untouched."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Only what becomes smaller and is complete."""
        if response.headers.get("Content-Type", "").partition(";")[0] not in COMPRESSED:
            return response
        return super().process_response(request, response)


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise brings no types
    """WhiteNoise streams a file in pieces, which Django can only gather again; ours have 90 KB at most."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The file, a part of it, or that it has not changed."""
        found = static_file.get_response(request.method, request.META)
        response = HttpResponse(status=int(found.status))
        if found.file is not None:
            with found.file as file:
                response.content = file.read()
        del response.headers["Content-Type"]
        for name, value in found.headers:
            response.headers[name] = value
        return response


class FailurePages(_Middleware):
    """Turns an expected failure into a page that says what is wrong; the transaction is rolled back by then."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page of a FarmError; anything else stays an internal error."""
        if not isinstance(error, FarmError):
            return None
        message = "" if error.status == 404 else error.message
        return failure_page(request, error.status, message)


def failure_page(request: HttpRequest, status: int, message: str = "") -> HttpResponse:
    """A page for a status. 404 looks the same for what does not exist and for what is not to be seen."""
    return render(request, "web/failure.html", {"status": status, "message": message}, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without the token of its page: an old page, or somebody else's."""
    return failure_page(request, 403, "This form was open for too long, or cookies are off. Load its page again.")
