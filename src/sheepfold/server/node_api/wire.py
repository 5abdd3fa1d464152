"""How machines' requests are read and answered over HTTP: parameters, cookie, XML. Knows no farm word."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from sheepfold.protocol import limits
from sheepfold.server.accounts.secrets import hash_secret

COOKIE = "sheepfold"
FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 64  # parameters of one request; the longest has 20


class HeaderName(bytes):
    """The name of a header as it shall be written: uvicorn calls `lower` on every name."""

    def lower(self) -> bytes:
        return self


SET_COOKIE = HeaderName(b"Set-Cookie")  # SheepIt clients before 2018-12 see it in exactly this case and no other


class TooLarge(Exception):
    """A body beyond its limit, in bytes."""


def xml_answer(body: bytes, status: int = 200) -> Response:
    """An XML document. Clients look for a type that begins with text/xml."""
    return Response(body, status, media_type="text/xml")


def with_session_cookie(response: Response, token: str) -> Response:
    """Add the one cookie of the session. Old clients send its attributes back, so they are few."""
    response.raw_headers.append((SET_COOKIE, f"{COOKIE}={token}; path=/; HttpOnly".encode()))
    return response


def session_token_hash(request: Request) -> str | None:
    """The hash of the session's cookie. Old clients send `sheepfold=…; path=/; HttpOnly` back as it came."""
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    token = next((value for name, _, value in pairs if name == COOKIE), None)
    return hash_secret(token) if token else None


def query_params(request: Request) -> dict[str, str]:
    """The parameters of the query string, the first of each name; odd bytes are replaced."""
    return _pairs(request.scope["query_string"].decode("latin-1"))


async def all_params(request: Request) -> tuple[dict[str, str], bytes]:
    """Parameters of the query and of a form body, and the body if it is no form.

    Old clients label an XML body as a form, so the body's first letter decides.
    """
    body = await read_body(request, limits.MAX_XML_BYTES)
    params = query_params(request)
    if body and not body.lstrip().startswith(b"<") and _content_type(request) == FORM:
        return _pairs(body.decode("latin-1")) | params, b""
    return params, body


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is longer than `limit` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(limit)
        parts.append(part)
    return b"".join(parts)


def client_address(request: Request) -> str:
    """From where the request came."""
    return request.client.host if request.client else ""


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _pairs(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError:  # more fields than any client sends
        return {}
    return _first_of_each(pairs)


def _first_of_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def merged(*sources: Mapping[str, str]) -> dict[str, str]:
    """One mapping; earlier sources win."""
    return {name: value for source in reversed(sources) for name, value in source.items()}
