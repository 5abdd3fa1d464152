"""Who gets into a view, and how a change is made."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from sheepfold.server.accounts.models import User
from sheepfold.server.core.errors import NotFound

Parameters = ParamSpec("Parameters")
View: TypeAlias = Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User


PersonView: TypeAlias = Callable[Concatenate[PersonRequest, Parameters], HttpResponseBase]


def signed_in(view: PersonView[Parameters]) -> View[Parameters]:
    """Sends others to the sign-in page, whether or not what they asked for exists."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)  # type: ignore[arg-type]

    return guarded


def admins_only(view: PersonView[Parameters]) -> View[Parameters]:
    """For others the page does not exist."""

    @wraps(view)
    def guarded(request: PersonRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
        if not request.user.is_staff:
            raise NotFound("no such page")
        return view(request, *args, **kwargs)

    return signed_in(guarded)


def shows(view: View[Parameters]) -> View[Parameters]:
    """A page that only reads."""
    return require_safe(view)


def changes(view: View[Parameters]) -> View[Parameters]:
    """A POST, run as one transaction: it happens as a whole or not at all."""
    return require_POST(transaction.atomic(view))
