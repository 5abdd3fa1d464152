"""Rows that every stage uses: blobs kept once under their hash, events that pages follow, the audit trail."""

from django.conf import settings
from django.db import models


class Blob(models.Model):
    """Bytes in the store. The row is written in the transaction that first refers to them."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    md5 = models.CharField(max_length=32, db_index=True)  # what the wire protocol names archives by
    size = models.BigIntegerField()
    media_type = models.CharField(max_length=100, default="application/octet-stream")
    created_at = models.DateTimeField(auto_now_add=True)


class Event(models.Model):
    """Something that open pages may want to show, e.g. topic `project:42`, kind `frame`. Kept for minutes."""

    topic = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    reference = models.CharField(max_length=80, default="")
    created_at = models.DateTimeField(auto_now_add=True)


class AuditEntry(models.Model):
    """Who did what to what."""

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    detail = models.TextField(default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)


class Attempt(models.Model):
    """A failed try to authenticate, counted per account and per address to slow down guessing."""

    account = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["account", "created_at"]), models.Index(fields=["address", "created_at"])]


class Switch(models.Model):
    """A setting that an admin changes while the farm runs, e.g. `maintenance`."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.TextField(default="")
