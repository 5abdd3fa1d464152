"""Every change of who may look at a project."""

from datetime import datetime

from sheepfold.server.accounts.models import Group, User
from sheepfold.server.accounts.secrets import hash_secret, new_secret
from sheepfold.server.projects.models import Project, ProjectShare, ShareLink


def share_with_user(*, project: Project, user: User) -> None:
    """This person may see the project."""
    ProjectShare.objects.get_or_create(project=project, user=user, group=None)


def share_with_group(*, project: Project, group: Group) -> None:
    """Everybody in this group may see the project."""
    ProjectShare.objects.get_or_create(project=project, user=None, group=group)


def end_share(*, project: Project, share_id: int) -> None:
    """Take a share back."""
    ProjectShare.objects.filter(pk=share_id, project=project).delete()


def create_share_link(*, project: Project, now: datetime) -> tuple[ShareLink, str]:
    """A link for anybody who has it, to look only. Its secret is shown now and never again."""
    secret = new_secret()
    link = ShareLink.objects.create(project=project, secret_hash=hash_secret(secret), created_at=now)
    return link, secret


def end_share_link(*, project: Project, link_id: int) -> None:
    """The link stops working."""
    ShareLink.objects.filter(pk=link_id, project=project).delete()


def project_of_link(secret: str) -> Project | None:
    """What a link shows, unless it lies in the bin."""
    link = ShareLink.objects.select_related("project__owner", "project__renderer", "project__group")
    found = link.filter(secret_hash=hash_secret(secret), project__deleted_at=None).first()
    return found.project if found else None
