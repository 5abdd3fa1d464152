"""Machines that render and their sessions."""

from django.db import models

from sheepfold.server.accounts.models import RenderKey, User
from sheepfold.server.projects.models import Project


class Device(models.IntegerChoices):
    """What renders. A machine is tested on each."""

    CPU = 0
    GPU = 1


class StopWish(models.TextChoices):
    """The owner wants the client on the machine to end. `STOPPED`: it did; forgotten when it comes again."""

    NONE = ""
    AFTER_FRAME = "stop-after-frame"
    NOW = "stop-now"
    STOPPED = "stopped"


STOPPING = (StopWish.AFTER_FRAME, StopWish.NOW)
ASKED = "asked"  # `Session.obeys`: the owner has asked to go on, and the client has not said yet that it does


class Machine(models.Model):
    """A computer. `fingerprint` tells machines of one user apart: hardware id if sent, else name and hardware."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="machines")
    fingerprint = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    os = models.CharField(max_length=10)
    bits = models.SmallIntegerField()
    cpu_name = models.CharField(max_length=200, default="")
    cpu_cores = models.IntegerField(default=1)
    ram_kib = models.BigIntegerField(default=0)
    gpu_name = models.CharField(max_length=200, default="")
    client = models.CharField(max_length=60, default="")  # what it runs, e.g. `Sheepfold 0.1.0`
    cpu_power = models.FloatField(null=True)  # per cent of the reference computer, by its test frame; None: not tested
    gpu_power = models.FloatField(null=True)
    paused = models.BooleanField(default=False)  # by its owner
    disabled_reason = models.TextField(default="")  # by the farm; empty: not disabled
    wish = models.CharField(max_length=20, default="")  # a StopWish; told with each answer to the machine
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)  # its last login; sessions know when it was last heard of

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "fingerprint"], name="one_machine")]


class SessionStatus(models.TextChoices):
    """active, paused (by its user), disabled (203), expired (silent too long), ended (logged out)."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    EXPIRED = "expired"
    ENDED = "ended"


LIVE_STATUSES = (SessionStatus.ACTIVE, SessionStatus.PAUSED, SessionStatus.DISABLED)


class Session(models.Model):
    """One login of a machine. Its token travels as a cookie; only the SHA-256 is kept."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="sessions")
    key = models.ForeignKey(RenderKey, null=True, on_delete=models.SET_NULL, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=10, choices=SessionStatus.choices, default=SessionStatus.ACTIVE)
    generation = models.CharField(max_length=20)
    version = models.CharField(max_length=40, default="")
    own_protocol = models.IntegerField(default=0)  # 0: not Sheepfold's client
    max_silence = models.IntegerField()  # seconds without a sign of life that end it
    max_leases = models.IntegerField(default=1)
    compute_method = models.SmallIntegerField(default=1)
    cores = models.IntegerField(null=True)  # as the last job request said
    ram_max_kib = models.BigIntegerField(null=True)
    instance = models.CharField(max_length=64, default="", db_default="")  # the client's folder; empty: not said
    run = models.CharField(max_length=64, default="", db_default="")  # the start of the client
    obeys = models.CharField(max_length=20, default="", db_default="")  # the owner's wish that the client says it obeys
    frames_done = models.IntegerField(default=0)
    started_at = models.DateTimeField()
    heard_at = models.DateTimeField()
    expires_at = models.DateTimeField()  # heard_at + max_silence, kept so that one index finds the silent
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="session_live", condition=models.Q(status__in=LIVE_STATUSES)),
            models.Index(fields=["machine", "-started_at"]),
        ]


class BlockedProject(models.Model):
    """A machine never gets tiles of this project again: its user said so, or the farm saw that it cannot."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="blocked_projects")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=300, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["machine", "project"], name="one_blocked_project")]
