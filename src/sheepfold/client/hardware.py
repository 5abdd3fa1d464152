"""What this machine is, in the words of a session request."""

import hashlib
import platform
import re
import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from sheepfold.protocol.codes import Os

_UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """Family and model number as the processor counts them, and its name for people."""

    family: str
    model: str
    name: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine. Memory in KiB."""

    os: Os
    os_version: str
    bits: int
    cpu: CpuFacts
    cores: int
    ram_kib: int
    hostname: str
    hwid: str


def read_hardware() -> Hardware:
    """Ask the running system."""
    return Hardware(
        os=os_name(sys.platform),
        os_version=f"{platform.system()} {platform.release()}".strip().lower(),
        bits=64 if sys.maxsize > 2**32 else 32,
        cpu=read_cpu(),
        cores=psutil.cpu_count() or 1,
        ram_kib=psutil.virtual_memory().total // 1024,
        hostname=socket.gethostname(),
        hwid=hashlib.md5(str(uuid.getnode()).encode(), usedforsecurity=False).hexdigest(),
    )


def os_name(platform_name: str) -> Os:
    """Python's `sys.platform` as the farm's word. Raises ValueError for a system without renderers."""
    names = {
        "win32": Os.WINDOWS,
        "cygwin": Os.WINDOWS,
        "darwin": Os.MAC,
        "linux": Os.LINUX,
    }
    if platform_name.startswith("freebsd"):
        return Os.FREEBSD
    if platform_name not in names:
        raise ValueError(f"no farm has a renderer for the system {platform_name!r}")
    return names[platform_name]


def read_cpu() -> CpuFacts:
    """The processor: from /proc/cpuinfo on Linux, else from what Python says."""
    source = Path("/proc/cpuinfo")
    if source.exists():
        return parse_cpuinfo(source.read_text(errors="replace"))
    return parse_processor(platform.processor())


def parse_cpuinfo(text: str) -> CpuFacts:
    """The first processor in the text of /proc/cpuinfo. ARM systems give no name: `Unknown` then."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        values.setdefault(key.strip().lower(), value.strip())
    return CpuFacts(
        family=values.get("cpu family") or values.get("cpu architecture") or _UNKNOWN,
        model=values.get("model") or values.get("cpu part") or _UNKNOWN,
        name=values.get("model name") or values.get("hardware") or _UNKNOWN,
    )


def parse_processor(text: str) -> CpuFacts:
    """Windows says `Intel64 Family 6 Model 158 Stepping 10, GenuineIntel`; macOS only `arm` or `i386`."""
    match = re.search(r"Family (\d+) Model (\d+)", text)
    family, model = (match[1], match[2]) if match else (_UNKNOWN, _UNKNOWN)
    return CpuFacts(family, model, text or _UNKNOWN)


def free_memory_kib() -> int:
    """What could be used now without swapping."""
    return psutil.virtual_memory().available // 1024
