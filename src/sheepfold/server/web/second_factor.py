"""The second factor: six digits, which are soon guessed by who may try as often as they like."""

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from django.core.exceptions import ValidationError

from sheepfold.server.core import throttle
from sheepfold.server.core.clock import now
from sheepfold.server.web.account_adapter import TOO_MANY, AccountAdapter


class _Throttled(BaseAuthenticateForm):  # type: ignore[misc]  # allauth brings no types
    """Counts failures in the database, for all processes together; allauth would count each on its own."""

    def clean_code(self) -> str:
        """The code, if it is right. Refuses before looking at it when there were too many attempts."""
        account, address = f"second factor of {self.user.pk}", AccountAdapter().get_client_ip(context.request)
        if throttle.too_many_attempts(account=account, address=address, now=now()):
            raise ValidationError(TOO_MANY)
        try:
            return str(super().clean_code())
        except ValidationError:
            throttle.record_failure(account=account, address=address, now=now())
            raise


class SecondFactorForm(_Throttled, AuthenticateForm):  # type: ignore[misc]
    """After the password."""


class AgainForm(_Throttled, ReauthenticateForm):  # type: ignore[misc]
    """Before something that cannot be undone."""
