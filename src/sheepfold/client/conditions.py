"""Whether the owner wants the machine to render now: timetable, mains power, other programs, idleness."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import psutil

from sheepfold.client.config import Settings
from sheepfold.client.idle import idle_seconds


def _now() -> datetime:
    return datetime.now().astimezone()


def on_mains() -> bool:
    """False on battery. Machines without one are on mains."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is None or battery.power_plugged is not False


def running_programs() -> set[str]:
    """Names of all programs that run, lower case, without `.exe`."""
    names = (process.info["name"] or "" for process in psutil.process_iter(["name"]))
    return {name.lower().removesuffix(".exe") for name in names}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked about the machine; the real one unless a test says otherwise."""

    now: Callable[[], datetime] = _now
    on_mains: Callable[[], bool] = on_mains
    programs: Callable[[], Iterable[str]] = running_programs
    idle: Callable[[], float | None] = idle_seconds


def why_wait(settings: Settings, machine: Machine | None = None) -> str | None:
    """The first condition of the owner's that is not met, in words; None when the machine may render.

    A machine that cannot tell whether somebody uses it counts as idle.
    """
    machine = machine or Machine()
    now = machine.now()
    if not settings.hours.allows(now):
        start = settings.hours.next_start(now)
        return f"outside of your timetable until {start:%A %H:%M}" if start else "your timetable has no time at all"
    if settings.only_on_mains and not machine.on_mains():
        return "this machine is on battery"
    busy = _busy_program(settings, machine) if settings.not_while else None
    if busy is not None:
        return f"{busy} is running"
    idle = machine.idle() if settings.idle_minutes else None
    if idle is not None and idle < settings.idle_minutes * 60:
        return "somebody is using this machine"
    return None


def _busy_program(settings: Settings, machine: Machine) -> str | None:
    running = set(machine.programs())
    return next((name for name in settings.not_while if name.lower().removesuffix(".exe") in running), None)
