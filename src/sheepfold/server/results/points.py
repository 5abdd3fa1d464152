"""What a frame is worth. Pure."""

MILLIPOINTS_PER_SECOND = 1000 / 60  # a point is a minute of rendering


def price(rendertime: float) -> int:
    """Thousandths of a point for a frame that took `rendertime` seconds; every frame is worth something."""
    return max(1, round(rendertime * MILLIPOINTS_PER_SECOND))


CLOCK_SECONDS = 0.5  # by which the servers that gave the tile out and took it back may differ


def believable_rendertime(reported: float, leased_seconds: float) -> float:
    """Seconds to pay for: what the machine says, but never longer than it had the tile."""
    if reported <= 0:
        return max(0.0, leased_seconds) if reported < 0 else 0.0
    return min(reported, max(0.0, leased_seconds) + CLOCK_SECONDS)
