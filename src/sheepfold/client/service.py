"""Starts the client with the machine: a systemd user unit, a launchd agent or a Windows task."""

import os
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

NAME = "sheepfold-client"
_LABEL = "org.sheepfold.client"


@dataclass(frozen=True, slots=True)
class Service:
    """A file for the system's own service manager, and the commands that make it read it."""

    path: Path
    text: str
    start: tuple[tuple[str, ...], ...]


def describe_service(platform: str, command: Sequence[str], home: Path) -> Service:
    """The service for a `sys.platform`. `command`: the client with its flags, as words."""
    if platform == "darwin":
        path = home / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
        return Service(path, launchd_text(command), (("launchctl", "load", "-w", str(path)),))
    if platform == "win32":
        path = home / "AppData" / "Local" / "sheepfold" / f"{NAME}.xml"
        return Service(path, task_text(command), (("schtasks", "/Create", "/F", "/TN", NAME, "/XML", str(path)),))
    path = home / ".config" / "systemd" / "user" / f"{NAME}.service"
    systemctl = ("systemctl", "--user")
    return Service(path, systemd_text(command), ((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", NAME)))


def install(service: Service) -> list[str]:
    """Write the file and start the service. Returns what could not be done, with the command to do it by hand."""
    service.path.parent.mkdir(parents=True, exist_ok=True)
    encoding = "utf-16" if service.path.suffix == ".xml" else "utf-8"
    service.path.write_text(service.text, encoding=encoding)
    return [" ".join(words) for words in service.start if not _succeeds(words)]


def own_command(flags: Sequence[str]) -> list[str]:
    """How to start this client again. A service has no terminal, so it logs and shows lines."""
    return [sys.executable, "-m", "sheepfold", "client", "--ui", "line", *flags]


def systemd_text(command: Sequence[str]) -> str:
    """Ends as Ctrl-C does: SIGINT lets the frame finish, and a second one after the time-out ends at once."""
    return f"""[Unit]
Description=Sheepfold render client
After=network-online.target

[Service]
ExecStart={" ".join(_systemd_quote(word) for word in command)}
Restart=on-failure
RestartPreventExitStatus=2 3 4 5 6 7 8
RestartSec=30
KillSignal=SIGINT
TimeoutStopSec=90
Nice=10

[Install]
WantedBy=default.target
"""


def launchd_text(command: Sequence[str]) -> str:
    """A property list; started at login, and again when it crashed."""
    agent = {
        "Label": _LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"Crashed": True},
        "ProcessType": "Background",
        "ExitTimeOut": 90,
    }
    return plistlib.dumps(agent).decode()


def task_text(command: Sequence[str]) -> str:
    """A task of Windows' scheduler; started at logon, without a limit of time, also on battery."""
    program, arguments = command[0], subprocess.list2cmdline(command[1:])
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>8</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions><Exec><Command>{escape(program)}</Command><Arguments>{escape(arguments)}</Arguments></Exec></Actions>
</Task>
"""


def _systemd_quote(word: str) -> str:
    """systemd expands `%` and `$` in words, and takes quoted words as C does."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not escaped or set(escaped) & set(" \t\"'\\;") else escaped


def _succeeds(words: Sequence[str]) -> bool:
    try:
        done = subprocess.run(words, capture_output=True, timeout=60, check=False, env=dict(os.environ))
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
