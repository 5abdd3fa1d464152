"""Every change of people, keys and tokens."""

from datetime import datetime

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from sheepfold.server.accounts.models import ApiToken, BlockedOwner, RenderKey, User
from sheepfold.server.accounts.secrets import derive_secret, hash_secret, new_secret
from sheepfold.server.core.errors import BadInput, Conflict

MAX_NAME = 100


def create_user(*, username: str, password: str | None, email: str = "", admin: bool = False) -> User:
    """A new person; without a password nobody can sign in with one. Conflict if the name is taken."""
    if not username or len(username) > MAX_NAME or not username.isprintable():
        raise BadInput(f"a user name has 1 to {MAX_NAME} visible characters")
    user = User(username=username, email=email, is_staff=admin, is_superuser=admin)
    user.password = make_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"there is already a user {username}; choose another name") from None
    return user


def change_password(*, user: User, password: str) -> None:
    """The old password and the keys derived from it stop working."""
    user.password = make_password(password)
    user.save(update_fields=["password"])
    user.render_keys.exclude(machine_mark="").delete()


def create_render_key(*, user: User, name: str) -> tuple[RenderKey, str]:
    """A key for one machine and its secret, which is shown now and never again."""
    secret = new_secret()
    key = RenderKey.objects.create(user=user, name=_checked_name(name), secret_hash=hash_secret(secret))
    return key, secret


def issue_machine_key(*, user: User, machine_mark: str, name: str) -> tuple[RenderKey, str]:
    """The key of a machine that came with its user's password: the same one at each login, until it is revoked.

    It is derived, so that clients that never store it do not fill the table with a key per login.
    """
    for round_number in range(user.render_keys.filter(machine_mark=machine_mark).count() + 1):
        secret = derive_secret(settings.SECRET_KEY, str(user.pk), user.password, machine_mark, str(round_number))
        key, _ = RenderKey.objects.get_or_create(
            secret_hash=hash_secret(secret),
            defaults={"user": user, "name": name[:MAX_NAME] or "machine", "machine_mark": machine_mark},
        )
        if key.revoked_at is None:
            break
    return key, secret


def revoke_render_key(*, key: RenderKey, now: datetime) -> None:
    """The machine cannot log in with it again. Revoking twice keeps the first date."""
    RenderKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)


def create_api_token(*, user: User, name: str) -> tuple[ApiToken, str]:
    """A token for a program and its secret, which is shown now and never again."""
    secret = new_secret()
    token = ApiToken.objects.create(user=user, name=_checked_name(name), secret_hash=hash_secret(secret))
    return token, secret


def revoke_api_token(*, token: ApiToken, now: datetime) -> None:
    """The program cannot come in with it again."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)


def block_owner(*, user: User, owner: User) -> None:
    """The user's machines render nothing of this owner any more."""
    BlockedOwner.objects.get_or_create(user=user, owner=owner)


def unblock_owner(*, user: User, owner: User) -> None:
    """Take a block back."""
    BlockedOwner.objects.filter(user=user, owner=owner).delete()


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(f"a name has 1 to {MAX_NAME} visible characters")
    return name.strip()
