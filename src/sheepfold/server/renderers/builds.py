"""What kind of program a file is, by its first bytes, and what is known of a Blender build."""

import mmap
import struct
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path

from sheepfold.protocol.codes import Os
from sheepfold.server.core.errors import BadInput
from sheepfold.server.renderers.platforms import Platform

HEAD = 4096  # bytes of a program that are looked at
ELF_OS_FREEBSD = 9
ELF_MACHINES = {3: "x86", 62: "x86-64", 183: "ARM"}
PE_MACHINES = {0x14C: "x86", 0x8664: "x86-64", 0xAA64: "ARM"}
MACHO_CPUS = {0x07: "x86", 0x01000007: "x86-64", 0x0100000C: "ARM"}
FIXED_VERSION = struct.pack("<L", 0xFEEF04BD)  # VS_FIXEDFILEINFO of a Windows program


class BadRenderer(BadInput):
    """No renderer can be made of this. The message says why and what to give instead."""


class SourceKind(StrEnum):
    """What a renderer was made from."""

    RELEASE = "release"  # an official build, complete
    INSTALLED = "installed"  # a launcher of the Blender on this machine
    MODULE = "bpy"  # a launcher of Blender as a Python module on this machine


class Format(Enum):
    """Formats of programs."""

    ELF = "ELF"
    PE = "PE"
    MACHO = "Mach-O"


@dataclass(frozen=True, slots=True)
class Program:
    """A program for some platform. `machine`: x86, x86-64 or ARM."""

    format: Format
    platform: Platform
    machine: str


@dataclass(frozen=True, slots=True)
class PackedRenderer:
    """What was packed. `local_only`: it starts a Blender that only this machine is known to have."""

    version: str
    platform: Platform
    kind: SourceKind

    @property
    def local_only(self) -> bool:
        """Whether it is of use on this machine alone."""
        return self.kind is not SourceKind.RELEASE


def read_program(path: Path) -> Program | None:
    """None if the file is no program that is known."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return _elf(head) or _pe(head) or _macho(head)


def windows_version(path: Path) -> str:
    """`4.2.1` from the version resource of a Windows program; empty if there is none."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(FIXED_VERSION)
        if place < 0 or place + 16 > len(data):
            return ""
        high, low = struct.unpack_from("<LL", data, place + 8)
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}"


def _elf(head: bytes) -> Program | None:
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return None
    bits = 64 if head[4] == 2 else 32
    os = Os.FREEBSD if head[7] == ELF_OS_FREEBSD else Os.LINUX
    (machine,) = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)
    return Program(Format.ELF, Platform(os.value, bits), ELF_MACHINES.get(machine, f"number {machine}"))


def _pe(head: bytes) -> Program | None:
    if not head.startswith(b"MZ") or len(head) < 0x40:
        return None
    (start,) = struct.unpack_from("<L", head, 0x3C)
    if head[start : start + 4] != b"PE\0\0" or len(head) < start + 6:
        return None
    (machine,) = struct.unpack_from("<H", head, start + 4)
    bits = 32 if machine == 0x14C else 64
    return Program(Format.PE, Platform(Os.WINDOWS.value, bits), PE_MACHINES.get(machine, f"number {machine}"))


def _macho(head: bytes) -> Program | None:
    if head[:4] not in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"):
        return None
    (cpu,) = struct.unpack_from("<L", head, 4)
    bits = 64 if head[:1] == b"\xcf" else 32
    return Program(Format.MACHO, Platform(Os.MAC.value, bits), MACHO_CPUS.get(cpu, f"number {cpu}"))
