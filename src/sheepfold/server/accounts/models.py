"""People, groups, render keys, API tokens."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. Points come from a ledger (results), rights and limits from here and from groups."""

    may_render = models.BooleanField(default=True)  # machines of this user get work; else status 201
    max_priority = models.IntegerField(default=50)
    max_open_projects = models.IntegerField(default=0)  # 0: no limit
    own_projects_first = models.BooleanField(default=True)


class Group(models.Model):
    """A class, a studio, a team."""

    name = models.CharField(max_length=100, unique=True)
    max_priority = models.IntegerField(default=50)
    max_machines = models.IntegerField(default=0)  # 0: no limit
    created_at = models.DateTimeField(auto_now_add=True)


class GroupRole(models.TextChoices):
    """What a member may do in a group."""

    MEMBER = "member"
    ADMIN = "admin"


class Membership(models.Model):
    """One user in one group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=GroupRole.choices, default=GroupRole.MEMBER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="one_membership")]


class Invitation(models.Model):
    """Lets one person make an account, join a group, or both. Only the SHA-256 of its secret is kept."""

    secret_hash = models.CharField(max_length=64, unique=True)
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=GroupRole.choices, default=GroupRole.MEMBER)
    note = models.CharField(max_length=100, default="")  # whom it is for
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")


class BlockedOwner(models.Model):
    """A user's machines never render this owner's projects."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="blocked_owners")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "owner"], name="one_block")]


class RenderKey(models.Model):
    """Secret of one machine: its password and the `publickey` of the protocol. Only its SHA-256 is kept.

    `machine_mark` is set on keys that the farm made for a machine that came with the user's password: the same
    machine gets the same key again (derived, see accounts.actions.issue_machine_key).
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="render_keys")
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=64, unique=True)
    machine_mark = models.CharField(max_length=64, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user", "machine_mark"])]


class ApiToken(models.Model):
    """Secret of a program. Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
