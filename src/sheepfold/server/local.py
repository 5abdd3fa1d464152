"""What a farm has before anybody set it up: an admin, and a token for the command line of its own machine."""

import platform

from django.db import transaction

from sheepfold.server.accounts.actions import create_api_token, create_user
from sheepfold.server.accounts.first_run import is_first_run, open_first_run
from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.queries import user_of_token
from sheepfold.server.core.config import config
from sheepfold.server.core.local_access import LocalAccess, read_local_access, write_local_access

FIRST_ADMIN = "admin"


def first_run_path() -> str | None:
    """Where the first admin of a new farm takes over the account; None once that was done.

    An earlier link stops working, so the one that was printed last is the one that counts.
    """
    with transaction.atomic():
        admin = _waiting_admin()
        return f"/first-run/{open_first_run(admin=admin)}/" if admin else None


def _waiting_admin() -> User | None:
    if not User.objects.exists():
        return create_user(username=FIRST_ADMIN, password=None, admin=True)
    return first_admin() if is_first_run() else None


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
