"""How long to wait for the next try: short at first, then ever longer, and never all machines at once."""

import random

_AFTER_TROUBLE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 120.0, 300.0)  # seconds


def after_trouble(row: int, told: float | None = None) -> float:
    """Seconds after the `row`-th failure of a row, from 0. `told`: what the farm itself asked for.

    Half of it up to half as much again: machines that lost a farm in the same second come back one by one.
    """
    if told is not None:
        return spread(told)
    return step(_AFTER_TROUBLE, row) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing


def spread(seconds: float) -> float:
    """Up to a fifth more, so that a thousand machines do not come back in the same second."""
    return seconds * random.uniform(1.0, 1.2)  # noqa: S311 - spreads load, hides nothing


def step(waits: tuple[float, ...], row: int) -> float:
    """The wait of this failure, the last one for all that follow."""
    return waits[min(row, len(waits) - 1)]
