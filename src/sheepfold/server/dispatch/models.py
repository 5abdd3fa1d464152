"""Leases."""

from django.db import models

from sheepfold.server.frames.models import Tile
from sheepfold.server.machines.models import Session


class LeaseEnd(models.TextChoices):
    """How a lease ended; empty while it is open."""

    OPEN = ""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REVOKED = "revoked"  # its machine sent wrong pictures: nothing of it is taken any more


class Lease(models.Model):
    """The right of one session to render one tile until a time. `token` travels as `extras`."""

    token = models.CharField(max_length=43, unique=True)
    tile = models.ForeignKey(Tile, on_delete=models.CASCADE, related_name="leases")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="leases")
    project_id = models.BigIntegerField()  # of the tile, so that the hot path joins nothing
    machine_id = models.BigIntegerField()
    frame = models.IntegerField()
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    rendertime = models.IntegerField(default=0)  # seconds, as the last heartbeat said
    remainingtime = models.IntegerField(default=0)
    begun = models.BooleanField(default=False)  # a heartbeat named it: its answer did arrive
    resent = models.SmallIntegerField(default=0)  # how often its session asked again without having reported
    verification_id = models.BigIntegerField(null=True)  # it renders a finished tile again, for comparison only
    passed_at = models.DateTimeField(null=True)  # since when its machine, asking for more, can only be uploading it
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=10, choices=LeaseEnd.choices, default=LeaseEnd.OPEN)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tile"],
                name="one_open_lease",
                condition=models.Q(end=LeaseEnd.OPEN, verification_id__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["verification_id"],
                name="one_open_verifier",
                condition=models.Q(end=LeaseEnd.OPEN, verification_id__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["session"], name="lease_open_session", condition=models.Q(end=LeaseEnd.OPEN)),
            models.Index(fields=["project_id"], name="lease_open_project", condition=models.Q(end=LeaseEnd.OPEN)),
            models.Index(
                fields=["passed_at"],
                name="lease_open_passed",
                condition=models.Q(end=LeaseEnd.OPEN, passed_at__isnull=False),
            ),
            models.Index(fields=["expires_at"], name="lease_open_expiry", condition=models.Q(end=LeaseEnd.OPEN)),
        ]
