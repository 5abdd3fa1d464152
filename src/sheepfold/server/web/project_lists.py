"""Projects as cards: how far each is and its newest picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max

from sheepfold.server.frames.queries import TileCounts, tile_counts_of
from sheepfold.server.projects.models import Project
from sheepfold.server.results.models import Result, Verdict


@dataclass(frozen=True, slots=True)
class Card:
    """A project in a list. `picture` is the frame whose thumbnail stands for it."""

    project: Project
    counts: TileCounts
    picture: int | None
    picture_result: int | None

    @property
    def percent(self) -> int:
        """Done, of all frames."""
        return 100 * self.counts.done // self.counts.total if self.counts.total else 0


def cards_of(projects: Sequence[Project]) -> list[Card]:
    """Cards in the same order; two queries however many there are."""
    ids = [project.pk for project in projects]
    counts = tile_counts_of(ids)
    newest = _newest_pictures(ids)
    return [_card(project, counts, newest) for project in projects]


def _card(project: Project, counts: dict[int, TileCounts], newest: dict[int, tuple[int, int]]) -> Card:
    frame, result = newest.get(project.pk, (None, None))
    return Card(project, counts.get(project.pk, TileCounts()), frame, result)


def _newest_pictures(ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    accepted = Result.objects.filter(project_id__in=ids, verdict=Verdict.ACCEPTED)
    newest = accepted.values("project_id").annotate(newest=Max("id")).values_list("newest", flat=True)
    rows = Result.objects.filter(pk__in=list(newest)).values_list("project_id", "tile__frame", "id")
    return {project_id: (frame, result_id) for project_id, frame, result_id in rows}
