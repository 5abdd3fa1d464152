"""What every page knows."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

import sheepfold
from sheepfold.server.core.config import SignUp, config

THEMES = ("light", "dark")
THEME_COOKIE = "sheepfold_theme"


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the main navigation. `prefix` tells whether a path belongs to it."""

    name: str
    url: str
    icon: str
    prefix: str


PLACES = (
    Place("Farm", "/", "farm", ""),
    Place("Projects", "/projects/", "film", "/projects/"),
    Place("Machines", "/machines/", "machine", "/machines/"),
    Place("Groups", "/groups/", "people", "/groups/"),
)
ADMIN_PLACE = Place("Admin", "/admin/", "tools", "/admin/")


def page(request: HttpRequest) -> dict[str, Any]:
    """Context processor: navigation, theme and version."""
    return {
        "places": _places(request),
        "theme": theme_of(request),
        "version": sheepfold.__version__,
        "signup_open": config().signup is SignUp.OPEN,
    }


def theme_of(request: HttpRequest) -> str:
    """light, dark, or empty: as the system says."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


def _places(request: HttpRequest) -> list[tuple[Place, bool]]:
    """Each place and whether the page belongs to it."""
    user = getattr(request, "user", None)
    places = [*PLACES, ADMIN_PLACE] if user is not None and user.is_staff else list(PLACES)
    return [(place, _is_here(place, request.path)) for place in places]


def _is_here(place: Place, path: str) -> bool:
    return path.startswith(place.prefix) if place.prefix else path == place.url
