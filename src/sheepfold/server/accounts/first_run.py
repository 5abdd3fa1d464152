"""The first minutes of a farm: a one-time link lets whoever started it take over the first admin's account."""

from sheepfold.server.accounts.actions import change_password
from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.secrets import hash_secret, new_secret
from sheepfold.server.core.errors import BadInput, NotFound
from sheepfold.server.core.models import Switch

ROW = "first_run"  # its value: the hash of the link's secret, a colon, the id of the account


def open_first_run(*, admin: User) -> str:
    """The secret of the link. An earlier link stops working."""
    secret = new_secret()
    Switch.objects.update_or_create(name=ROW, defaults={"value": f"{hash_secret(secret)}:{admin.pk}"})
    return secret


def is_first_run() -> bool:
    """Whether a link waits to be used."""
    return Switch.objects.filter(name=ROW).exists()


def first_run_admin(secret: str) -> User | None:
    """Whose account the link takes over, while it works."""
    row = Switch.objects.filter(name=ROW, value__startswith=f"{hash_secret(secret)}:").first()
    return User.objects.filter(pk=int(row.value.partition(":")[2])).first() if row else None


def take_over(*, secret: str, username: str, email: str, password: str) -> User:
    """Name the account and set its password; the link is used up. NotFound if it does not work (any more)."""
    admin = first_run_admin(secret)
    if admin is None or Switch.objects.filter(name=ROW).delete()[0] == 0:
        raise NotFound("this link was used already; sign in with the account that it made")
    if User.objects.filter(username=username).exclude(pk=admin.pk).exists():
        raise BadInput(f"there is already a user {username}; choose another name")
    admin.username, admin.email = username, email
    admin.save(update_fields=["username", "email"])
    change_password(user=admin, password=password)
    return admin
