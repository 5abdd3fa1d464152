"""Every change of people, keys and tokens."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from sheepfold.server.accounts.models import (
    ApiToken,
    BlockedOwner,
    Group,
    GroupRole,
    Invitation,
    Membership,
    RenderKey,
    User,
)
from sheepfold.server.accounts.secrets import derive_secret, hash_secret, new_secret
from sheepfold.server.core.errors import BadInput, Conflict, NotFound

MAX_NAME = 100
INVITATION_LIFE = timedelta(days=14)


FARM = "farm"


def farm_account() -> User:
    """The farm's own account, which nobody can sign in to: it owns test frames and pays for what the farm wants."""
    return User.objects.get_or_create(username=FARM, defaults={"is_active": False, "password": "!"})[0]


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


def record_key_use(*, key: RenderKey, now: datetime) -> None:
    """A machine logged in with it."""
    RenderKey.objects.filter(pk=key.pk).update(used_at=now)


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


def set_preferences(*, user: User, own_projects_first: bool) -> None:
    """How the user's machines choose their work."""
    User.objects.filter(pk=user.pk).update(own_projects_first=own_projects_first)


def set_user_rights(
    *, user: User, active: bool, admin: bool, may_render: bool, max_priority: int, max_open_projects: int
) -> None:
    """What an admin allows a person. Conflict if nobody would be left to run the farm."""
    others = User.objects.filter(is_staff=True, is_active=True).exclude(pk=user.pk)
    if not (active and admin) and user.is_staff and not others.exists():
        raise Conflict(f"{user.username} is the only admin; make somebody else an admin first")
    User.objects.filter(pk=user.pk).update(
        is_active=active,
        is_staff=admin,
        is_superuser=admin,
        may_render=may_render,
        max_priority=max_priority,
        max_open_projects=max_open_projects,
    )


def create_group(*, name: str, founder: User | None) -> Group:
    """A group; its founder becomes its first admin. Conflict if the name is taken."""
    try:
        with transaction.atomic():
            group = Group.objects.create(name=_checked_name(name))
    except IntegrityError:
        raise Conflict(f"there is already a group {name}; choose another name") from None
    if founder is not None:
        Membership.objects.create(group=group, user=founder, role=GroupRole.ADMIN)
    return group


def rename_group(*, group: Group, name: str) -> None:
    """Conflict if the name is taken."""
    try:
        with transaction.atomic():
            Group.objects.filter(pk=group.pk).update(name=_checked_name(name))
    except IntegrityError:
        raise Conflict(f"there is already a group {name}; choose another name") from None


def delete_group(*, group: Group) -> None:
    """Its projects stay with their owners."""
    group.delete()


def set_group_limits(*, group: Group, max_priority: int, max_machines: int) -> None:
    """What the farm allows a group. 0 machines: no limit."""
    Group.objects.filter(pk=group.pk).update(max_priority=max_priority, max_machines=max_machines)


def set_role(*, group: Group, user: User, role: GroupRole) -> None:
    """Make a member an admin of the group or the other way round. Conflict if the group would have no admin."""
    if role is not GroupRole.ADMIN:
        _keep_an_admin(group, user)
    Membership.objects.filter(group=group, user=user).update(role=role)


def remove_member(*, group: Group, user: User) -> None:
    """Somebody leaves or is sent away. Conflict if the group would have no admin."""
    _keep_an_admin(group, user)
    Membership.objects.filter(group=group, user=user).delete()


def _keep_an_admin(group: Group, user: User) -> None:
    admins = Membership.objects.filter(group=group, role=GroupRole.ADMIN)
    if admins.filter(user=user).exists() and admins.count() == 1:
        raise Conflict(f"{user.username} is the only admin of {group.name}; make another member an admin first")


def invite(*, group: Group | None, role: GroupRole, note: str, inviter: User, now: datetime) -> tuple[Invitation, str]:
    """An invitation for one person and its secret, which is shown now and never again."""
    secret = new_secret()
    invitation = Invitation.objects.create(
        secret_hash=hash_secret(secret),
        group=group,
        role=role,
        note=note.strip()[:MAX_NAME],
        created_by=inviter,
        created_at=now,
        expires_at=now + INVITATION_LIFE,
    )
    return invitation, secret


def withdraw_invitation(*, invitation: Invitation) -> None:
    """It counts no more; one that was used stays, to tell who came by it."""
    Invitation.objects.filter(pk=invitation.pk, used_at=None).delete()


def accept_invitation(*, secret: str, user: User, now: datetime) -> Invitation:
    """The user joins the group, if there is one, and the invitation is used up. NotFound if it does not count."""
    taken = Invitation.objects.filter(secret_hash=hash_secret(secret), used_at=None, expires_at__gt=now)
    if not taken.update(used_at=now, used_by=user):
        raise NotFound("this invitation was used, withdrawn or is too old; ask for another one")
    invitation = Invitation.objects.select_related("group").get(secret_hash=hash_secret(secret))
    if invitation.group is not None:
        Membership.objects.get_or_create(group=invitation.group, user=user, defaults={"role": invitation.role})
    return invitation


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(f"a name has 1 to {MAX_NAME} visible characters")
    return name.strip()
