"""Switches that admins set while the farm runs. Each process reads them again after a moment."""

import time
from enum import StrEnum

from sheepfold.server.core.models import Switch

KEPT_SECONDS = 1.0
ON = "on"
OLDEST_CLIENT = "oldest_client"  # a year: machines with a client built before are told to update


class FarmSwitch(StrEnum):
    """What can be switched on."""

    MAINTENANCE = "maintenance"  # machines are told 206 and ask again later
    OVERLOADED = "overloaded"  # machines are told 207
    TEST_MACHINES = "test_machines"  # those that were never tested get a test frame first


_known: frozenset[FarmSwitch] = frozenset()
_known_at = -1e9


def set_switch(*, switch: FarmSwitch, on: bool) -> None:
    """Other processes see it within a second or so."""
    global _known_at
    if on:
        Switch.objects.update_or_create(name=switch, defaults={"value": ON})
    else:
        Switch.objects.filter(name=switch).delete()
    _known_at = -1e9


def switches_on() -> frozenset[FarmSwitch]:
    """Those that are on, at most a second old."""
    global _known, _known_at
    if time.monotonic() - _known_at > KEPT_SECONDS:
        names = Switch.objects.filter(name__in=list(FarmSwitch), value=ON).values_list("name", flat=True)
        _known, _known_at = frozenset(FarmSwitch(name) for name in names), time.monotonic()
    return _known


def set_oldest_client(*, year: int) -> None:
    """Clients of earlier years can log in no more; 0 lets in all. Sessions that are open go on."""
    if year:
        Switch.objects.update_or_create(name=OLDEST_CLIENT, defaults={"value": str(year)})
    else:
        Switch.objects.filter(name=OLDEST_CLIENT).delete()


def oldest_client() -> int:
    """The year from which on clients may log in; 0 for all."""
    value = Switch.objects.filter(name=OLDEST_CLIENT).values_list("value", flat=True).first()
    return int(value) if value else 0
