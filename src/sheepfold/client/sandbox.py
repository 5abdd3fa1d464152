"""The cage around Blender: no network, a read-only system, one writable folder, nothing of the owner's to read."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sheepfold.client.config import CageChoice
from sheepfold.client.task import DeviceKind, RenderTask

# What programs need of a Linux system. Nothing here belongs to a person.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/snap", "/nix/store", "/gnu/store")
_SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/glvnd",
    "/sys/devices/system",
)
_GPU_DEVICES = (
    "/dev/dri",
    "/dev/kfd",
    "/dev/nvidia0",
    "/dev/nvidia1",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
)
_LANDLOCK_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/shm")  # noqa: S108
_CONFINE = Path(__file__).with_name("confine.py")  # never imported: it needs what only Linux has
_MOST_TASKS = 1024  # processes and threads of a caged Blender; one on 128 cores has about 300
_PROBE_SECONDS = 20


class NoCageError(Exception):
    """The wanted cage does not work on this machine. The text says what to do."""


class Cage(Protocol):
    """Turns the words that start a renderer into words that start it caged."""

    name: str

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]: ...


class NoCage:
    """No cage: for owners who trust every scene. Blender still dies with the client, where the system can do that."""

    name = "no cage"

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]:
        return [*_confined(), *words] if sys.platform == "linux" else list(words)


class Bubblewrap:
    """Namespaces of its own for everything; `bwrap` sets them up."""

    name = "bubblewrap"

    def __init__(self, readable: Sequence[str] = ()) -> None:
        """`readable`: more paths that are shown, read-only."""
        self._readable = readable

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]:
        shown = [task.renderer_dir, task.scene_dir]
        mounts = [word for path in shown for word in ("--ro-bind", str(path), str(path))]
        home = str(task.home)
        gpu = task.device.kind is DeviceKind.GPU
        return [*self.base(gpu), *mounts, "--bind", home, home, "--chdir", home, *_caged(), *words]

    def base(self, gpu: bool = False) -> list[str]:
        """The empty cage: the system without anything of people's."""
        words = ["bwrap", "--die-with-parent", "--new-session", "--unshare-all", "--cap-drop", "ALL"]
        for path in _SYSTEM:
            if Path(path).is_symlink():
                words += ["--symlink", str(Path(path).readlink()), path]
            elif Path(path).exists():
                words += ["--ro-bind", path, path]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - inside the cage
        for path in (*_SYSTEM_FILES, *_own_python(), *self._readable):
            words += ["--ro-bind-try", path, path]
        for path in _GPU_DEVICES if gpu else ():
            words += ["--dev-bind-try", path, path]
        return [*words, *(("--ro-bind-try", "/sys", "/sys") if gpu else ())]


class Landlock:
    """The kernel forbids files and sockets; processes stay visible. For systems where bubblewrap does not work."""

    name = "Landlock"

    def __init__(self, readable: Sequence[str] = ()) -> None:
        """`readable`: more paths that may be read."""
        self._readable = readable

    def wrap(self, words: Sequence[str], task: RenderTask) -> list[str]:
        readable = [str(task.renderer_dir), str(task.scene_dir), "/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
        gpu = (*_GPU_DEVICES, "/sys") if task.device.kind is DeviceKind.GPU else ()
        writable = [str(task.home), *_LANDLOCK_DEVICES, *gpu]
        return [*self.base(readable, writable), *words]

    def base(self, readable: Sequence[str] = (), writable: Sequence[str] = ()) -> list[str]:
        """The empty cage and what is let in."""
        paths = [*_SYSTEM, *_SYSTEM_FILES, *_own_python(), *self._readable, *readable]
        named = [f"--read={path}" for path in paths] + [f"--write={path}" for path in writable]
        return _confined("--landlock", *named)


def choose_cage(choice: CageChoice, readable: Sequence[str] = ()) -> Cage:
    """The wanted cage, tried out, with more `readable` paths. Raises NoCageError when it does not work here."""
    if choice is CageChoice.NONE:
        return NoCage()
    wanted: list[Cage] = []
    if choice in (CageChoice.AUTO, CageChoice.BUBBLEWRAP):
        wanted.append(Bubblewrap(readable))
    if choice in (CageChoice.AUTO, CageChoice.LANDLOCK):
        wanted.append(Landlock(readable))
    for cage in wanted:
        if works(cage):
            return cage
    raise NoCageError(
        "Blender cannot be caged on this machine: install bubblewrap (`apt install bubblewrap`), or use "
        "--cage none if you trust all scenes of this farm"
    )


def works(cage: Cage) -> bool:
    """Whether a trivial program runs in the cage."""
    if sys.platform != "linux" or not isinstance(cage, Bubblewrap | Landlock):
        return False
    if isinstance(cage, Bubblewrap) and shutil.which("bwrap") is None:
        return False
    own = [*cage.base(), *(_caged() if isinstance(cage, Bubblewrap) else []), "true"]
    try:
        done = subprocess.run(own, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _confined(*options: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(_CONFINE), *options, "--"]


def _caged() -> list[str]:
    """Limits that only make sense inside a namespace, where other programs of the owner do not count."""
    return _confined(f"--processes={_MOST_TASKS}")


def _own_python() -> tuple[str, ...]:
    """This Python and the confining script, which run inside the cage."""
    return (sys.prefix, sys.base_prefix, str(_CONFINE))
