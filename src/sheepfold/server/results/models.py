"""Accepted images, refused ones, error logs, and the points ledger."""

from django.db import models

from sheepfold.server.accounts.models import User
from sheepfold.server.core.models import Blob
from sheepfold.server.frames.models import Tile


class Verdict(models.TextChoices):
    """What the farm thinks of an image."""

    ACCEPTED = "accepted"
    UNDECODABLE = "undecodable"
    WRONG_SIZE = "wrong_size"
    BLANK = "blank"  # one colour where other machines' frames are not
    LATE = "late"  # somebody else was faster
    REPLACED = "replaced"  # accepted once, and rendered again since at its owner's wish


class Result(models.Model):
    """An image that a machine sent for a tile."""

    tile = models.ForeignKey(Tile, on_delete=models.CASCADE, related_name="results")
    project_id = models.BigIntegerField()
    lease_token = models.CharField(max_length=43, db_index=True)
    machine_id = models.BigIntegerField()
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    thumbnail = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=12, choices=Verdict.choices)
    constant = models.BooleanField(default=False)  # every pixel is the same
    width = models.IntegerField(default=0)
    height = models.IntegerField(default=0)
    format = models.CharField(max_length=20, default="")
    size = models.BigIntegerField(default=0)  # bytes
    rendertime = models.FloatField(default=0)  # seconds
    memory_kib = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tile"], name="one_accepted", condition=models.Q(verdict="accepted")),
            models.UniqueConstraint(
                fields=["lease_token"], name="accepted_once", condition=models.Q(verdict="accepted")
            ),
        ]
        indexes = [
            models.Index(fields=["project_id", "-created_at"]),
            models.Index(fields=["machine_id", "-created_at"]),
            models.Index(fields=["created_at"]),
        ]


class ErrorLog(models.Model):
    """What a machine reported, with its log, kept readable per tile."""

    tile = models.ForeignKey(Tile, null=True, on_delete=models.CASCADE, related_name="error_logs")
    project_id = models.BigIntegerField(null=True)
    machine_id = models.BigIntegerField()
    kind = models.IntegerField()
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    rendertime = models.IntegerField(default=0)
    memory_kib = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["project_id", "-created_at"])]


class PointsKind(models.TextChoices):
    """Why points moved."""

    RENDERED = "rendered"  # a machine's owner earned
    SPENT = "spent"  # a project's owner paid
    GRANT = "grant"


class PointsEntry(models.Model):
    """One movement in the ledger, written in the transaction that accepts the frame. Thousandths of a point."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="points")
    kind = models.CharField(max_length=10, choices=PointsKind.choices)
    millipoints = models.BigIntegerField()  # negative: spent
    result = models.ForeignKey(Result, null=True, on_delete=models.SET_NULL, related_name="points")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["result", "kind"], name="points_once")]
        indexes = [models.Index(fields=["user", "-created_at"])]
