"""Uploaded scenes and their settings."""

from django.db import models

from sheepfold.server.accounts.models import Group, User
from sheepfold.server.core.models import Blob
from sheepfold.server.renderers.models import Renderer

FIRST_PROJECT_ID = 1000  # ids below 20 mean test jobs to clients; round numbers leave room


class ProjectStatus(models.TextChoices):
    """uploading → analysing → ready → rendering ⇄ paused → finished; also rejected, blocked, cancelled."""

    UPLOADING = "uploading"
    ANALYSING = "analysing"
    REJECTED = "rejected"
    READY = "ready"
    RENDERING = "rendering"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


class Visibility(models.TextChoices):
    """Whose machines may render it."""

    EVERYBODY = "everybody"
    GROUP = "group"
    OWNER = "owner"


class FrameOrder(models.TextChoices):
    """In which order tiles are handed out."""

    FIRST = "first"
    INWARDS = "inwards"
    PREVIEW = "preview"


class Project(models.Model):
    """One scene. `facts` is SceneFacts as JSON; `revision` grows when the scene archive is replaced."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="projects")
    group = models.ForeignKey(Group, null=True, on_delete=models.SET_NULL, related_name="projects")
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=12, choices=ProjectStatus.choices, default=ProjectStatus.UPLOADING)
    reason = models.TextField(default="")  # why it is rejected, blocked or paused, in words for its owner
    upload = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    upload_name = models.CharField(max_length=255, default="")
    archive = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    archive_password = models.CharField(max_length=64, default="")
    blend_path = models.CharField(max_length=500, default="")
    revision = models.IntegerField(default=0)
    facts = models.JSONField(default=dict)
    problems = models.JSONField(default=list)
    renderer = models.ForeignKey(Renderer, null=True, on_delete=models.PROTECT, related_name="+")

    frames = models.CharField(max_length=1000, default="")  # e.g. `1-24,30`
    order = models.CharField(max_length=10, choices=FrameOrder.choices, default=FrameOrder.FIRST)
    width = models.IntegerField(default=0)  # pixels of the rendered image, after the percentage
    height = models.IntegerField(default=0)
    samples = models.IntegerField(null=True)  # None: as the scene says
    percentage = models.IntegerField(default=100)
    output_format = models.CharField(max_length=20, default="PNG")
    fps = models.FloatField(default=24)
    use_gpu = models.BooleanField(default=False)
    use_cpu = models.BooleanField(default=True)
    min_ram_kib = models.BigIntegerField(default=0)
    min_power = models.IntegerField(default=0)  # per cent of the reference computer; 0: any machine, tested or not
    max_minutes_per_frame = models.IntegerField(default=0)  # 0: no limit
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.EVERYBODY)
    priority = models.IntegerField(default=50)  # 0 … 100, higher first

    claimable = models.BooleanField(default=False)  # tiles may be waiting; only projects with it cost a claim time

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)  # in the bin; gone for good later

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="project_claimable", condition=models.Q(claimable=True)),
            models.Index(
                fields=["status"], name="project_rendering", condition=models.Q(status=ProjectStatus.RENDERING)
            ),
            models.Index(fields=["owner", "-created_at"]),
        ]


class ProjectShare(models.Model):
    """A person or a group that may see a project. Exactly one of the two is set."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="shares")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_share_with_user"),
            models.UniqueConstraint(fields=["project", "group"], name="one_share_with_group"),
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(group=None), name="share_with_user_or_group"
            ),
        ]


class ShareLink(models.Model):
    """Whoever has its secret may look at the project. Only the SHA-256 is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="share_links")
    secret_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
