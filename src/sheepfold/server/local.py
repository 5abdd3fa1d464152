"""What a farm has before anybody set it up: an admin, and a token for the command line of its own machine."""

import platform
import secrets
from dataclasses import dataclass

from django.db import transaction

from sheepfold.server.accounts.actions import create_api_token, create_user
from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.queries import user_of_token
from sheepfold.server.core.config import config
from sheepfold.server.core.local_access import LocalAccess, read_local_access, write_local_access

FIRST_ADMIN = "admin"


@dataclass(frozen=True)
class FirstAdmin:
    """The account made at the very first start. Its password is told once."""

    username: str
    password: str


def create_first_admin() -> FirstAdmin | None:
    """An admin for an empty farm; None if somebody is there already."""
    with transaction.atomic():
        if User.objects.exists():
            return None
        password = secrets.token_urlsafe(12)
        create_user(username=FIRST_ADMIN, password=password, admin=True)
    return FirstAdmin(FIRST_ADMIN, password)


def grant_local_access(url: str) -> LocalAccess | None:
    """Let this machine's command line in as the first admin. None on a farm without one."""
    admin = first_admin()
    if admin is None:
        return None
    access = LocalAccess(url, _working_token() or create_api_token(user=admin, name=_token_name())[1])
    write_local_access(config().data_dir, access)
    return access


def first_admin() -> User | None:
    """The oldest admin that may still sign in."""
    return User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()


def _working_token() -> str | None:
    kept = read_local_access(config().data_dir)
    return kept.token if kept and user_of_token(kept.token) else None


def _token_name() -> str:
    return f"command line on {platform.node()}"[:100]
