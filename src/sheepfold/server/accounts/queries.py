"""Who somebody is and what they may see."""

from dataclasses import dataclass
from datetime import datetime

from sheepfold.server.accounts.models import ApiToken, GroupRole, Invitation, Membership, RenderKey, User
from sheepfold.server.accounts.secrets import hash_secret


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logged in, and the key they used, if it was a key."""

    user: User
    key: RenderKey | None


def credentials_of_key(login: str, secret: str) -> Credentials | None:
    """The user by name and render key. Looked up by hash, so no comparison leaks the secret."""
    key = (
        RenderKey.objects.select_related("user")
        .filter(secret_hash=hash_secret(secret), revoked_at=None, user__username=login, user__is_active=True)
        .first()
    )
    return Credentials(key.user, key) if key else None


def user_of_token(secret: str) -> User | None:
    """Whose API token this is."""
    token = (
        ApiToken.objects.select_related("user")
        .filter(secret_hash=hash_secret(secret), revoked_at=None, user__is_active=True)
        .first()
    )
    return token.user if token else None


def groups_of(user_id: int) -> frozenset[int]:
    """Ids of the groups that a user belongs to."""
    return frozenset(Membership.objects.filter(user_id=user_id).values_list("group_id", flat=True))


def administers_group(user: User, group_id: int | None) -> bool:
    """Whether the user is an admin of the group."""
    if group_id is None:
        return False
    return Membership.objects.filter(user=user, group_id=group_id, role=GroupRole.ADMIN).exists()


def good_invitation(secret: str, *, now: datetime) -> Invitation | None:
    """The invitation of this secret, if it was neither used nor withdrawn and is not too old."""
    good = Invitation.objects.filter(secret_hash=hash_secret(secret), used_at=None, expires_at__gt=now)
    return good.select_related("group", "created_by").first()
