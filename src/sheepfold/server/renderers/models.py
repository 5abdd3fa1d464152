"""Blender builds."""

from django.db import models

from sheepfold.server.core.models import Blob


class Renderer(models.Model):
    """One Blender version, e.g. `4.2.1`."""

    version = models.CharField(max_length=40, unique=True)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)


class RendererArchive(models.Model):
    """The archive of a renderer for one platform, in the layout that clients expect.

    `local_only`: it holds a launcher of the Blender installed on one machine and is of use only there.
    """

    renderer = models.ForeignKey(Renderer, on_delete=models.CASCADE, related_name="archives")
    os = models.CharField(max_length=10)
    bits = models.SmallIntegerField()
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=20)
    local_only = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["renderer", "os", "bits"], name="one_archive_per_platform")]
