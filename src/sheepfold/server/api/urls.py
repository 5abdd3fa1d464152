"""Addresses of the JSON interface."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from sheepfold.server.api.endpoints import ENDPOINTS
from sheepfold.server.api.openapi import document
from sheepfold.server.api.routing import refusal, url_patterns


def openapi(_: HttpRequest) -> JsonResponse:
    """What there is, for people and for generators of clients."""
    return JsonResponse(document(ENDPOINTS))


@csrf_exempt
def nothing(_: HttpRequest) -> HttpResponse:
    """Any other address: a program is told so in JSON, not with a page."""
    return refusal(404, "there is nothing at this address; see /api/openapi.json")


urlpatterns: list[URLPattern] = [
    path("openapi.json", openapi),
    *url_patterns(ENDPOINTS),
    re_path("", nothing),
]
