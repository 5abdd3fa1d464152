"""What people do to requests: one to three changes of a good one, chosen by a seeded random generator."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from urllib.parse import quote_from_bytes

from tests.e2e.hostile.exchange import Pairs, Request, form_of

NASTY = (
    b"", b"0", b"-1", b"1", b"1.5", b" 1 ", b"9" * 40, b"1e309", b"nan", b"-0", b"\x00", b"\xff\xfe", b"\xd9\xa3",
    b"A" * 5000, b"<x/>", b"../../etc/passwd", b"%00%", b"';--", b"true", b"2147483648", b"-2147483649",
    b"9223372036854775808", b"\r\nX: y", "é☃".encode(), b"{{7*7}}", b"${jndi:ldap://127.0.0.1/}", b"[]", b"null",
    b"0x10", b"1_000", b"\xe2\x80\xae", b"\xed\xa0\x80",
)  # fmt: skip
METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"PROPFIND")
HEADERS = (
    b"Cookie", b"Content-Type", b"User-Agent", b"Host", b"Range", b"Accept-Encoding", b"Expect", b"X-Forwarded-For",
    b"X-Forwarded-Proto", b"X-Request-ID", b"Authorization", b"If-None-Match", b"If-Range", b"Origin", b"Upgrade",
    b"Transfer-Encoding", b"Content-Encoding",
)  # fmt: skip
VALUES = (
    b"", b"0", b"-", b";", b"=", b"sheepfold", b"sheepfold=", b"sheepfold=; sheepfold=x", b"\xff\xfe", b"a" * 8000,
    b"bytes=0-", b"bytes=5-2", b"bytes=-99999999999999999999", b"bytes=0-0,1-1", b"gzip", b"100-continue", b"chunked",
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=" + b"b" * 300,
    b"multipart/form-data; boundary=\xff", b"application/x-www-form-urlencoded", b"text/xml; charset=utf-7", b"https",
    b"127.0.0.1, ::1, x", b"Bearer x", b"Basic Og==", b"websocket", b"<script>", b"*",
)  # fmt: skip
PATHS = (
    lambda path: b"/" + path, lambda path: path + b"/", lambda path: path.upper(), lambda path: path + b"%00",
    lambda path: b"/server/../server" + path.removeprefix(b"/server"), lambda path: path + b";a=b",
    lambda path: path.replace(b".php", b""), lambda path: path.replace(b"/", b"//"),
)  # fmt: skip
Change = Callable[[Random, Request], Request]


def mutated(random: Random, request: Request) -> Request:
    """Changed in one to three places."""
    for _ in range(random.choice((1, 1, 2, 3))):
        request = random.choice(CHANGES)(random, request)
    return request


def broken(random: Random, raw: bytes) -> bytes:
    """Bytes that are no complete request, or more than one: to be sent alone on a connection."""
    at = random.randrange(len(raw))
    return random.choice(
        (
            raw[:at],
            raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :],
            raw[:at] + random.randbytes(20) + raw[at:],
            raw + raw,
            raw.replace(b"Content-Length: ", b"Content-Length: 9"),
            raw.replace(b"Content-Length: ", b"Content-Length: -"),
            raw.replace(b"\r\n", b"\n"),
            raw.replace(b"HTTP/1.1", b"HTTP/9.9"),
        )
    )


def _change_value(random: Random, request: Request) -> Request:
    pairs, put = _parameters(random, request)
    if not pairs:
        return request
    at = random.randrange(len(pairs))
    value = _travelling(random, random.choice(NASTY))
    return put((*pairs[:at], (pairs[at][0], value), *pairs[at + 1 :]))


def _drop(random: Random, request: Request) -> Request:
    pairs, put = _parameters(random, request)
    at = random.randrange(len(pairs)) if pairs else 0
    return put((*pairs[:at], *pairs[at + 1 :]))


def _double(random: Random, request: Request) -> Request:
    pairs, put = _parameters(random, request)
    return put((*pairs, *((name, random.choice(NASTY[:8])) for name, _ in pairs), *pairs)[: random.randrange(80)])


def _add(random: Random, request: Request) -> Request:
    pairs, put = _parameters(random, request)
    added = (_travelling(random, random.randbytes(random.randrange(12))), _travelling(random, random.choice(NASTY)))
    return put((*pairs, added))


def _move(random: Random, request: Request) -> Request:
    """From the query into a form, or the other way."""
    if request.body:
        return replace(request, query=(*request.query, *form_of(request)[:60]), body=b"")
    body = b"&".join(name + b"=" + value for name, value in request.query)
    return replace(request, query=(), body=body).with_header(b"Content-Type", b"application/x-www-form-urlencoded")


def _method(random: Random, request: Request) -> Request:
    return replace(request, method=random.choice(METHODS))


def _path(random: Random, request: Request) -> Request:
    return replace(request, path=random.choice(PATHS)(request.path))


def _header(random: Random, request: Request) -> Request:
    return request.with_header(random.choice(HEADERS), random.choice((None, *VALUES)))


def _body(random: Random, request: Request) -> Request:
    if not request.body:
        return replace(request, body=random.choice((b"<cache/>", b"<", b"a=b", random.randbytes(300))))
    at = random.randrange(len(request.body))
    return replace(
        request,
        body=random.choice(
            (
                request.body[:at],
                request.body[:at] + bytes([random.randrange(256)]) + request.body[at + 1 :],
                request.body[:at] + random.randbytes(8) + request.body[at:],
                request.body + request.body,
                b"",
                random.randbytes(300),
            )
        ),
    )


def _parameters(random: Random, request: Request) -> tuple[Pairs, Callable[[Pairs], Request]]:
    """The query, or the form that some generations log in with, and how to put other pairs there."""
    if request.query or not request.header(b"content-type").startswith(b"application/x-www-form"):
        return request.query, lambda pairs: replace(request, query=pairs)
    return form_of(request), lambda pairs: replace(request, body=b"&".join(n + b"=" + v for n, v in pairs))


def _travelling(random: Random, value: bytes) -> bytes:
    """With percent signs; sometimes half of them are missing, as from a bad client."""
    if random.random() < 0.2 and value.isascii() and value.isalnum():
        return value
    return quote_from_bytes(value, safe="").encode()


CHANGES: tuple[Change, ...] = (
    *(_change_value, _drop, _double, _add, _header, _body) * 3, _change_value, _change_value, _move, _method, _path,
)  # fmt: skip
