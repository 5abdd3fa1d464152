"""How signing up and signing in differ from what allauth does by itself."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest

from sheepfold.server.accounts.actions import accept_invitation, change_password
from sheepfold.server.accounts.models import User
from sheepfold.server.accounts.queries import good_invitation
from sheepfold.server.core import throttle
from sheepfold.server.core.clock import now
from sheepfold.server.core.config import SignUp, config

TOO_MANY = "Too many attempts. Wait a quarter of an hour, then try again."
INVITATION_KEY = "invitation"  # in the visitor's session, from the page of the invitation to the new account


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth brings no types
    """Sign-up by the farm's mode, invitations, and attempts counted in the database."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Open to all, to nobody, or to whoever came with an invitation that still counts."""
        mode = config().signup
        if mode is not SignUp.INVITATION:
            return mode is SignUp.OPEN
        return good_invitation(request.session.get(INVITATION_KEY, ""), now=now()) is not None

    @transaction.atomic  # of two people with one invitation the second must not stay
    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        """The account, and the invitation used up by it."""
        saved: User = super().save_user(request, user, form, commit)
        if secret := request.session.pop(INVITATION_KEY, ""):
            accept_invitation(secret=secret, user=saved, now=now())
        return saved

    def set_password(self, user: User, password: str) -> None:
        """Change it through our action, which also ends the keys that were derived from the old one."""
        change_password(user=user, password=password)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse before looking at the password when there were too many attempts."""
        account, address = _account(credentials), self.get_client_ip(request)
        if throttle.too_many_attempts(account=account, address=address, now=now()):
            raise ValidationError(TOO_MANY)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Count it."""
        throttle.record_failure(account=_account(credentials), address=self.get_client_ip(request), now=now())


def _account(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username") or credentials.get("email") or "")
