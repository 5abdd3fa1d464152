"""Slows down guessing: failed attempts are counted per account and per address over a quarter of an hour."""

from datetime import datetime, timedelta

from django.db.models import Q

from sheepfold.server.core.models import Attempt

WINDOW = timedelta(minutes=15)
MAX_PER_ACCOUNT = 20
MAX_PER_ADDRESS = 100  # a class room or a studio comes from one address


def too_many_attempts(*, account: str, address: str, now: datetime) -> bool:
    """Whether this account or address has failed too often of late."""
    account, address = _plain(account, address)
    recent = Attempt.objects.filter(created_at__gt=now - WINDOW)
    tried = recent.filter(Q(account=account) | Q(address=address)).values_list("account", "address")
    rows = list(tried[: MAX_PER_ACCOUNT + MAX_PER_ADDRESS])
    return (
        sum(row[0] == account for row in rows) >= MAX_PER_ACCOUNT
        or sum(row[1] == address for row in rows) >= MAX_PER_ADDRESS
    )


def record_failure(*, account: str, address: str, now: datetime) -> None:
    """Count a failed attempt."""
    account, address = _plain(account, address)
    Attempt.objects.create(account=account, address=address, created_at=now)


def _plain(account: str, address: str) -> tuple[str, str]:
    """The site lets people in however they write their name: `Ada` shall not have another twenty attempts."""
    return account.strip().casefold()[:150], address[:64]


def forget_failures(*, now: datetime) -> int:
    """Delete what no longer counts."""
    return Attempt.objects.filter(created_at__lt=now - WINDOW).delete()[0]
