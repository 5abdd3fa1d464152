"""Who may do what with a project, as a table. Used by the site and by the JSON interface."""

from enum import StrEnum

from django.db.models import Q, QuerySet

from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.queries import administers_group, groups_of
from sheepfold.server.core.errors import Forbidden, NotFound
from sheepfold.server.projects.models import Project


class Role(StrEnum):
    """What somebody is to a project. A member is in its group, or it was shared with them."""

    STRANGER = "stranger"
    MEMBER = "member"
    GROUP_ADMIN = "group admin"
    OWNER = "owner"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done with a project."""

    SEE = "see"
    STEER = "steer"  # settings, start, pause, resume, cancel, re-render, extend, priority
    SHARE = "share"
    DELETE = "delete"  # and take back
    BLOCK = "block"  # by the farm


ALLOWED: dict[Role, frozenset[Action]] = {
    Role.STRANGER: frozenset(),
    Role.MEMBER: frozenset({Action.SEE}),
    Role.GROUP_ADMIN: frozenset({Action.SEE, Action.STEER}),
    Role.OWNER: frozenset({Action.SEE, Action.STEER, Action.SHARE, Action.DELETE}),
    Role.ADMIN: frozenset(Action),
}


def role_in_project(user: User, project: Project) -> Role:
    """The strongest role that the user has."""
    if user.is_staff:
        return Role.ADMIN
    if project.owner_id == user.pk:
        return Role.OWNER
    if administers_group(user, project.group_id):
        return Role.GROUP_ADMIN
    return Role.MEMBER if _is_member(user, project) else Role.STRANGER


def may(user: User, action: Action, project: Project) -> bool:
    """Whether the user may do this."""
    return action in ALLOWED[role_in_project(user, project)]


def project_for(user: User, project_id: int, action: Action = Action.SEE) -> Project:
    """The project. NotFound if the user may not even know of it, Forbidden if they may see it only."""
    project = Project.objects.select_related("owner", "group", "renderer").filter(pk=project_id).first()
    role = role_in_project(user, project) if project else Role.STRANGER
    if project is None or Action.SEE not in ALLOWED[role] or _is_hidden(project, role):
        raise NotFound("there is no such project")
    if action not in ALLOWED[role]:
        raise Forbidden(f"only others may {action} this project; ask its owner, {project.owner.username}")
    return project


def visible_projects(user: User) -> QuerySet[Project]:
    """Projects of the user, of their groups, and those shared with them; not those in the bin."""
    groups = groups_of(user.pk)
    mine = Q(owner=user) | Q(group__in=groups) | Q(shares__user=user) | Q(shares__group__in=groups)
    return Project.objects.filter(mine, deleted_at=None).distinct()


def _is_member(user: User, project: Project) -> bool:
    groups = groups_of(user.pk)
    shared = Q(user=user) | Q(group__in=groups)
    return project.group_id in groups or project.shares.filter(shared).exists()


def _is_hidden(project: Project, role: Role) -> bool:
    """What lies in the bin is seen by those who can take it out."""
    return project.deleted_at is not None and Action.DELETE not in ALLOWED[role]
