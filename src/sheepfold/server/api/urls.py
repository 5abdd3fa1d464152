"""Addresses of the JSON interface."""

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path

from sheepfold.server.api.endpoints import ENDPOINTS
from sheepfold.server.api.openapi import document
from sheepfold.server.api.routing import url_patterns


def openapi(_: HttpRequest) -> JsonResponse:
    """What there is, for people and for generators of clients."""
    return JsonResponse(document(ENDPOINTS))


urlpatterns: list[URLPattern] = [path("openapi.json", openapi), *url_patterns(ENDPOINTS)]
