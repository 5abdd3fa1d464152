"""Which edge answers which path. `/server/…` (machines) is routed before Django, in `asgi.py`."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/", include("allauth.urls")),
    path("api/", include("sheepfold.server.api.urls")),
    path("", include("sheepfold.server.web.urls")),
]
