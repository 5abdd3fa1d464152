"""What a machine says about itself."""

import pytest

from sheepfold.client.hardware import CpuFacts, os_name, parse_cpuinfo, parse_processor, read_hardware
from sheepfold.protocol.codes import Os

INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 158
model name\t: Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz

processor\t: 1
cpu family\t: 7
model name\t: another
"""
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nCPU architecture: 8\nCPU part\t: 0xd08\n\nHardware\t: BCM2711\n"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (INTEL, CpuFacts("6", "158", "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz")),
        (ARM, CpuFacts("8", "0xd08", "BCM2711")),
        ("", CpuFacts("Unknown", "Unknown", "Unknown")),
    ],
)
def test_cpuinfo(text: str, facts: CpuFacts) -> None:
    assert parse_cpuinfo(text) == facts


def test_processor_text_of_windows_and_mac() -> None:
    windows = "Intel64 Family 6 Model 158 Stepping 10, GenuineIntel"
    assert parse_processor(windows) == CpuFacts("6", "158", windows)
    assert parse_processor("arm") == CpuFacts("Unknown", "Unknown", "arm")


@pytest.mark.parametrize(
    ("name", "os"),
    [("linux", Os.LINUX), ("darwin", Os.MAC), ("win32", Os.WINDOWS), ("cygwin", Os.WINDOWS), ("freebsd14", Os.FREEBSD)],
)
def test_systems(name: str, os: Os) -> None:
    assert os_name(name) is os


def test_unknown_system_is_refused() -> None:
    with pytest.raises(ValueError, match="no farm has a renderer for the system 'plan9'"):
        os_name("plan9")


def test_this_machine() -> None:
    hardware = read_hardware()
    assert hardware.bits == 64
    assert hardware.cores >= 1
    assert hardware.ram_kib > 100_000
    assert len(hardware.hwid) == 32
