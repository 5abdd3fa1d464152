"""How long nobody has touched this machine, by whatever the system tells."""

import contextlib
import ctypes
import ctypes.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil


def idle_seconds() -> float | None:
    """Seconds since the last key or mouse movement; None where the system does not tell, as on a server."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return parse_ioreg(_output(["ioreg", "-c", "IOHIDSystem", "-d", "4"]))
    known = [seconds for seconds in (_x11(), _terminals()) if seconds is not None]
    return min(known, default=None)


def parse_ioreg(text: str) -> float | None:
    """macOS counts nanoseconds: `"HIDIdleTime" = 12000000000`."""
    match = re.search(r'"HIDIdleTime" = (\d+)', text)
    return int(match[1]) / 1e9 if match else None


def _terminals() -> float | None:
    """Every key pressed in a terminal touches its device file."""
    now = time.time()
    ages: list[float] = []
    for user in psutil.users():
        with contextlib.suppress(OSError):
            ages.append(now - Path("/dev", user.terminal or "?").stat().st_atime)
    return max(min(ages), 0.0) if ages else None


class _ScreenSaverInfo(ctypes.Structure):
    """XScreenSaverInfo of X11/extensions/scrnsaver.h."""

    _fields_ = (
        ("window", ctypes.c_ulong),
        ("state", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("til_or_since", ctypes.c_ulong),
        ("idle", ctypes.c_ulong),  # milliseconds
        ("event_mask", ctypes.c_ulong),
    )


def _x11() -> float | None:
    names = [ctypes.util.find_library(name) for name in ("X11", "Xss")]
    if "DISPLAY" not in os.environ or None in names:
        return None
    x11, xss = (ctypes.CDLL(name) for name in names)
    x11.XOpenDisplay.restype = xss.XScreenSaverAllocInfo.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        return None
    try:
        info = _ScreenSaverInfo()
        root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
        return info.idle / 1000 if xss.XScreenSaverQueryInfo(display, root, ctypes.byref(info)) else None
    finally:
        x11.XCloseDisplay(display)


def _windows() -> float | None:
    """GetLastInputInfo counts milliseconds since the start of the system, in 32 bits."""
    windll = ctypes.windll  # type: ignore[attr-defined,unused-ignore]
    last = (ctypes.c_uint * 2)(8, 0)
    if not windll.user32.GetLastInputInfo(ctypes.byref(last)):
        return None
    return float((windll.kernel32.GetTickCount() - last[1]) % 2**32) / 1000


def _output(words: list[str]) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
