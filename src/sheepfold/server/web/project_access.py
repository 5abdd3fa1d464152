"""How a request reaches a project: signed in and allowed, or by a share link, which only looks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TypeAlias

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from sheepfold.server.core.errors import FarmError, NotFound
from sheepfold.server.projects.models import Project
from sheepfold.server.projects.permissions import ALLOWED, Action, Role, project_for, role_in_project
from sheepfold.server.projects.sharing import project_of_link


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at a project. `base` is where its addresses begin; `may` is what they can do."""

    project: Project
    role: Role
    base: str

    @property
    def may(self) -> dict[str, bool]:
        """For templates: `may.steer` and so on."""
        return {action.value: action in ALLOWED[self.role] for action in Action}

    @property
    def by_link(self) -> bool:
        """Whether they came by a share link."""
        return self.base.startswith("/s/")


ProjectView: TypeAlias = Callable[..., HttpResponseBase]  # (request, visit, and what else the address holds)


def project_page(view: ProjectView) -> Callable[..., HttpResponseBase]:
    """A view that only reads; works by share link too."""

    @require_safe
    @wraps(view)
    def guarded(
        request: HttpRequest, *, project_id: int | None = None, secret: str = "", **kwargs: int
    ) -> HttpResponseBase:
        if not secret and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return view(request, _visit(request, project_id, secret, Action.SEE), **kwargs)

    return guarded


def project_change(action: Action) -> Callable[[ProjectView], Callable[..., HttpResponseBase]]:
    """A POST that needs a right, run as one transaction."""

    def decorate(view: ProjectView) -> Callable[..., HttpResponseBase]:
        @require_POST
        @transaction.atomic
        @wraps(view)
        def guarded(request: HttpRequest, *, project_id: int, **kwargs: int) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(f"/projects/{project_id}/")
            return view(request, _visit(request, project_id, "", action), **kwargs)

        return guarded

    return decorate


def find_project(request: HttpRequest, *, project_id: int | None, secret: str) -> Project | None:
    """The project, if whoever asks may see it."""
    if not secret and not request.user.is_authenticated:
        return None
    try:
        return _visit(request, project_id, secret, Action.SEE).project
    except FarmError:
        return None


def _visit(request: HttpRequest, project_id: int | None, secret: str, action: Action) -> Visit:
    if secret:
        project = project_of_link(secret)
        if project is None:
            raise NotFound("there is no such link")
        return Visit(project, Role.MEMBER, f"/s/{secret}/")
    if project_id is None or not request.user.is_authenticated:
        raise NotFound("there is no such project")
    project = project_for(request.user, project_id, action)
    return Visit(project, role_in_project(request.user, project), f"/projects/{project_id}/")
