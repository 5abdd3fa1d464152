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
    VERIFYING = "verifying"  # of a frame that another machine rendered, to compare the two
    REFUTED = "refuted"  # other machines render it differently, or its machine sent such a one since it last agreed


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
    TAKEN_BACK = "taken_back"  # what a refuted picture had earned
    REFUNDED = "refunded"  # what it had cost


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


class VerificationStatus(models.TextChoices):
    """waiting → rendering → arrived → agreed; back to waiting while there is doubt; also undecided, dropped."""

    WAITING = "waiting"  # for a machine
    RENDERING = "rendering"
    ARRIVED = "arrived"  # the newest picture is to be compared
    AGREED = "agreed"  # two machines agree
    UNDECIDED = "undecided"  # no two machines render it alike
    DROPPED = "dropped"  # the frame is gone or its machine was found wrong elsewhere


UNSETTLED = (VerificationStatus.WAITING, VerificationStatus.RENDERING, VerificationStatus.ARRIVED)


class Verification(models.Model):
    """An accepted picture that other machines render again, to see whether it is what it should be (ADR 15)."""

    result = models.OneToOneField(Result, on_delete=models.CASCADE, related_name="verification")
    project_id = models.BigIntegerField()
    tile = models.ForeignKey(Tile, on_delete=models.CASCADE, related_name="+")
    frame = models.IntegerField()
    machine_id = models.BigIntegerField()  # that rendered the picture
    family = models.CharField(max_length=40)  # the kind of device that must render it again
    status = models.CharField(max_length=10, choices=VerificationStatus.choices, default=VerificationStatus.WAITING)
    failures = models.SmallIntegerField(default=0)  # of machines that were to render it again
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "id"], name="verification_open", condition=models.Q(status__in=UNSETTLED)),
            models.Index(fields=["machine_id", "status"]),
            models.Index(
                fields=["project_id"],
                name="verification_undecided",
                condition=models.Q(status=VerificationStatus.UNDECIDED),
            ),
        ]


class Vote(models.Model):
    """A machine's picture in a verification; the first is the one in question."""

    verification = models.ForeignKey(Verification, on_delete=models.CASCADE, related_name="votes")
    result = models.OneToOneField(Result, on_delete=models.CASCADE, related_name="vote")
    machine_id = models.BigIntegerField()
    user_id = models.BigIntegerField()  # owner of the machine
    camp = models.BigIntegerField(null=True)  # pictures of one camp look alike; null: not yet compared
    agreed = models.BooleanField(default=False)  # with another machine's

    class Meta:
        indexes = [models.Index(fields=["machine_id", "-result"], name="vote_agreed", condition=models.Q(agreed=True))]


class Reputation(models.Model):
    """What verifications have shown of a machine; a machine without a row is new."""

    machine_id = models.BigIntegerField(primary_key=True)
    agreed = models.IntegerField(default=0)  # pictures since it was last found wrong
    refuted = models.IntegerField(default=0)  # how often it was found wrong
