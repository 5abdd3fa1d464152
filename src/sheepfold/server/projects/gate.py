"""Whether dispatch looks at a project at all. Apart from `actions`: claims and lease ends call it all the time."""

from collections.abc import Collection

from sheepfold.server.projects.models import Project, ProjectStatus


def open_for_claims(*, project_ids: Collection[int]) -> None:
    """Tiles of these projects wait (again). Projects that are not rendering stay closed."""
    Project.objects.filter(pk__in=project_ids, status=ProjectStatus.RENDERING, claimable=False).update(claimable=True)


def close_for_claims(*, project_ids: Collection[int]) -> None:
    """No tile of these projects waits."""
    Project.objects.filter(pk__in=project_ids, claimable=True).update(claimable=False)
