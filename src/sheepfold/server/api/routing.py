"""From a table of endpoints to Django's URL patterns: who asks, what they sent, one call, the answer as JSON."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from pydantic import TypeAdapter, ValidationError

from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.queries import user_of_token
from sheepfold.server.api.schemas import Failure
from sheepfold.server.core.errors import BadInput, FarmError, NotFound

BODY_LIMIT = 64 * 1024  # bytes of JSON; the longest real one has a few hundred


@dataclass(frozen=True)
class File:
    """An answer that is not JSON."""

    media_type: str


@dataclass(frozen=True)
class Endpoint:
    """One thing that a program can ask for.

    `handler` gets `user`, the parameters of the path, `body` if there is one and `query` if `parameters` names some;
    if `raw`, the `request`, whose body it reads itself.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
    answer: Any
    body: type | None = None
    admin: bool = False
    parameters: tuple[str, ...] = ()
    raw: bool = False


class NotSignedIn(FarmError):
    """No token, or one that does not count."""

    status = 401


def url_patterns(endpoints: Iterable[Endpoint]) -> list[URLPattern]:
    """One pattern for each path, which chooses by method."""
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in endpoints:
        by_path[endpoint.path][endpoint.method] = endpoint
    return [path(address, _view(methods)) for address, methods in by_path.items()]


def _view(methods: dict[str, Endpoint]) -> Callable[..., HttpResponseBase]:
    @csrf_exempt  # browsers do not send tokens by themselves
    def view(request: HttpRequest, **parameters: Any) -> HttpResponseBase:
        endpoint = methods.get(str(request.method))
        if endpoint is None:
            return refusal(405, f"use {' or '.join(methods)} here")
        try:
            return _answer(endpoint, request, parameters)
        except FarmError as error:
            return refusal(error.status, error.message)

    return view


def _answer(endpoint: Endpoint, request: HttpRequest, parameters: dict[str, Any]) -> HttpResponseBase:
    user = _who(request)
    if endpoint.admin and not user.is_staff:
        raise NotFound("there is no such thing")
    if endpoint.parameters:
        parameters["query"] = {name: request.GET.get(name, "") for name in endpoint.parameters}
    if endpoint.body is not None:
        parameters["body"] = _body(request, endpoint.body)
    if endpoint.raw:
        parameters["request"] = request
    if request.method == "GET":
        return _encode(endpoint, endpoint.handler(user=user, **parameters))
    with transaction.atomic():
        result = endpoint.handler(user=user, **parameters)
    return _encode(endpoint, result)


def _who(request: HttpRequest) -> User:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    user = user_of_token(secret.strip()) if kind.lower() == "bearer" else None
    if user is None:
        raise NotSignedIn("send a token as `Authorization: Bearer …`; the site makes one under Account")
    return user


def _body(request: HttpRequest, wanted: type) -> Any:
    text = request.read(BODY_LIMIT + 1)
    if len(text) > BODY_LIMIT:
        raise BadInput(f"the body is longer than {BODY_LIMIT} bytes")
    try:
        return TypeAdapter(wanted).validate_json(text or b"{}", strict=True)
    except ValidationError as error:
        raise BadInput("; ".join(_words(problem) for problem in error.errors())) from error


def _words(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _encode(endpoint: Endpoint, result: Any) -> HttpResponseBase:
    if isinstance(result, HttpResponseBase):
        return result
    return _json(TypeAdapter(endpoint.answer).dump_json(result), 200)


def refusal(status: int, words: str) -> HttpResponse:
    """A failure in JSON."""
    response = _json(TypeAdapter(Failure).dump_json(Failure(words)), status)
    if status == NotSignedIn.status:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _json(text: bytes, status: int) -> HttpResponse:
    return HttpResponse(text, content_type="application/json", status=status)
