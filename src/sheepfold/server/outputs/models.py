"""What an owner takes home."""

from django.db import models

from sheepfold.server.core.models import Blob
from sheepfold.server.projects.models import Project


class VideoStatus(models.TextChoices):
    """waiting → encoding → done or failed."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class Video(models.Model):
    """The frames of a project as a film, made when the last tile is done."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="video")
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=VideoStatus.choices, default=VideoStatus.WAITING)
    reason = models.TextField(default="")
    frames = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
