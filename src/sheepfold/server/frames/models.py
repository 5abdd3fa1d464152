"""Tiles: the unit of work."""

from django.db import models

from sheepfold.server.projects.models import Project


class TileStatus(models.IntegerChoices):
    """waiting → rendering → done; failed, cancelled. Numbers, since millions of rows carry one."""

    WAITING = 0
    RENDERING = 1
    DONE = 2
    FAILED = 3
    CANCELLED = 4


class Tile(models.Model):
    """One part of one frame. An unsplit frame has one tile (part 0 of 1). `rank` is the order of handing out."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tiles")
    frame = models.IntegerField()
    part = models.SmallIntegerField(default=0)
    parts = models.SmallIntegerField(default=1)
    rank = models.IntegerField()
    status = models.SmallIntegerField(choices=TileStatus.choices, default=TileStatus.WAITING)
    failures = models.SmallIntegerField(default=0)  # different machines that failed it
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "frame", "part"], name="one_tile")]
        indexes = [
            # what a claim reads: fresh tiles, and apart from them the few that some machine failed
            models.Index(fields=["project", "rank"], name="tile_fresh", condition=models.Q(status=0, failures=0)),
            models.Index(fields=["project", "rank"], name="tile_again", condition=models.Q(status=0, failures__gt=0)),
            models.Index(fields=["project", "status"]),
        ]


class TileFailure(models.Model):
    """A machine that failed a tile: it never gets this tile again."""

    tile = models.ForeignKey(Tile, on_delete=models.CASCADE, related_name="failed_on")
    machine_id = models.BigIntegerField()
    owner_id = models.BigIntegerField()  # of the project: a machine that fails two owners is disabled
    reason = models.CharField(max_length=300)
    forgiven = models.BooleanField(default=False)  # no other machine is left, so this one may try again
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tile", "machine_id"], name="one_failure")]
        indexes = [models.Index(fields=["machine_id", "created_at"])]
