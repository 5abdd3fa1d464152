"""The processes of a farm, as the system sees them."""

import psutil

from tests.e2e.running import FarmProcess


def web_process(farm: FarmProcess) -> psutil.Process:
    """The one that answers requests."""
    assert farm._process is not None
    return next(one for one in psutil.Process(farm._process.pid).children() if "web" in one.cmdline())
