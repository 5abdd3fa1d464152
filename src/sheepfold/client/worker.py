"""Puts a client together from its settings and runs it: one loop for each device."""

import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sheepfold.client.api import FarmError
from sheepfold.client.blender.fresh import FreshRenderer
from sheepfold.client.blender.living import LivingRenderer
from sheepfold.client.conditions import why_wait
from sheepfold.client.config import ConfigError, Settings
from sheepfold.client.control import Control
from sheepfold.client.devices import PROCESSOR, Blender, choose_devices
from sheepfold.client.discovery import find_farms
from sheepfold.client.events import Level, Listener, Message, Stopping
from sheepfold.client.fetch import Cache
from sheepfold.client.hardware import read_hardware
from sheepfold.client.instance import AlreadyRunningError, instance_name, only_one
from sheepfold.client.keys import find_key
from sheepfold.client.loop import Desk, DeviceLoop, Renderer
from sheepfold.client.outbox import Entry, Outbox
from sheepfold.client.sandbox import Cage, NoCageError, choose_cage
from sheepfold.client.session import Identity
from sheepfold.client.supply import ExitCode
from sheepfold.client.task import Device, DeviceKind
from sheepfold.client.ui import LineDisplay

_LOOK_SECONDS = 0.2  # how long "end now" may go unnoticed


@dataclass
class Client:
    """A client that runs, for whoever sends it commands."""

    control: Control = field(default_factory=Control)
    loops: list[DeviceLoop] = field(default_factory=list)

    def block_projects(self) -> None:
        """Refuse the projects that render now."""
        for loop in self.loops:
            loop.block_project()


def run(settings: Settings, listener: Listener | None = None, client: Client | None = None) -> ExitCode:
    """Render for a farm until the owner or the farm ends it. Ctrl-C: once = after the frame, twice = at once.

    Whatever goes wrong is told to `listener` (lines on the terminal without one) and comes back as an exit code.
    """
    listener = listener or LineDisplay()
    client = client or Client()
    try:
        check(settings)
        with only_one(settings.cache_dir), _signals(client.control, listener):
            settings = with_server(settings)
            cage = choose_cage(settings.cage, settings.readable)
            listener(Message(Level.INFO, f"Blender runs in {cage.name}"))
            return _run_devices(_desk(settings, client.control, listener), _renderers(settings, cage, listener), client)
    except NoCageError as error:
        listener(Message(Level.ERROR, str(error)))
        return ExitCode.NO_CAGE
    except (ConfigError, AlreadyRunningError, FarmError) as error:
        listener(Message(Level.ERROR, str(error)))
        return ExitCode.BAD_SETTINGS
    except OSError as error:
        listener(Message(Level.ERROR, f"the folder {settings.cache_dir} cannot be used: {error}"))
        return ExitCode.BAD_SETTINGS


def check(settings: Settings) -> None:
    """Raises ConfigError when something that is always needed is missing."""
    for name in ("server", "login"):
        if not getattr(settings, name):
            raise ConfigError(f"no {name} is given: use --{name}, SHEEPFOLD_{name.upper()} or the settings file")


def _desk(settings: Settings, control: Control, listener: Listener) -> Desk:
    return Desk(
        settings=settings,
        identity=_identity(settings),
        cache=Cache(settings.cache_dir / "archives", settings.cache_limit),
        outbox=Outbox(settings.cache_dir / "outbox"),
        control=control,
        listener=listener,
        why_wait=lambda: why_wait(settings),
    )


def _identity(settings: Settings) -> Identity:
    hardware = read_hardware()
    return Identity(
        login=settings.login,
        key=find_key(settings),
        hostname=settings.hostname or hardware.hostname,
        hardware=hardware,
        cores=min(settings.cores or hardware.cores, hardware.cores),
        memory_kib=min(settings.memory // 1024, hardware.ram_kib) if settings.memory else hardware.ram_kib,
        ui="GuiText",
        instance=instance_name(settings.cache_dir),
        run=uuid.uuid4().hex[:12],
    )


def with_server(settings: Settings) -> Settings:
    """Settings whose farm is known: `auto` takes the first on this network. Raises ConfigError."""
    if settings.server != "auto":
        return settings
    farms = find_farms()
    if not farms:
        raise ConfigError("no farm announces itself on this network: give its address with --server")
    return settings.model_copy(update={"server": farms[0]})


def _renderers(settings: Settings, cage: Cage, listener: Listener) -> list[tuple[Device, Renderer]]:
    return [(device, _renderer(settings, cage)) for device in _devices(settings, listener)]


def _renderer(settings: Settings, cage: Cage) -> Renderer:
    return LivingRenderer(cage, settings.persistent_data) if settings.living else FreshRenderer(cage)


def _devices(settings: Settings, listener: Listener) -> list[Device]:
    """The wanted devices that pass their test; the processor when no card does."""
    blender = Blender(settings.blender)
    only_cpu = all(word.lower() == "cpu" for word in settings.devices)
    wanted = choose_devices(settings.devices, [] if only_cpu else blender.list_devices())
    with tempfile.TemporaryDirectory() as folder:
        passed = [device for device in wanted if _passes(blender, device, Path(folder), listener)]
    return passed or [PROCESSOR]


def _passes(blender: Blender, device: Device, folder: Path, listener: Listener) -> bool:
    if device.kind is DeviceKind.CPU or blender.can_render(device, folder):
        return True
    listener(Message(Level.WARNING, f"{device.name} cannot render with {device.compute_type}: it is left out"))
    return False


def _run_devices(desk: Desk, devices: list[tuple[Device, Renderer]], client: Client) -> ExitCode:
    """Run all devices, each in a thread, until the last has ended. The most serious reason is returned."""
    ids = [device.id for device, _ in devices]
    client.loops = [DeviceLoop(desk, device, renderer, _mine(device.id, ids)) for device, renderer in devices]
    with ThreadPoolExecutor(len(devices), thread_name_prefix="device") as pool:
        futures = [pool.submit(loop.run) for loop in client.loops]
        while wait(futures, timeout=_LOOK_SECONDS).not_done:
            if desk.control.stopping_now:
                for loop in client.loops:
                    loop.kill()
    return max(future.result() for future in futures)


def _mine(device: str, devices: list[str]) -> Callable[[Entry], bool]:
    """Frames that this device made; those of a device that is not used any more go to the first."""
    return lambda entry: (entry.owner if entry.owner in devices else devices[0]) == device


@contextmanager
def _signals(control: Control, listener: Listener) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the client. Only the main thread of a process can listen to them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        # A handler must not wait for a lock that the interrupted code may hold.
        threading.Thread(target=_stop, args=(control, listener)).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(control: Control, listener: Listener) -> None:
    control.stop()
    listener(Stopping(now=control.stopping_now))
