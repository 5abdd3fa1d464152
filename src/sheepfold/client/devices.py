"""What can render here: the processor, and the graphics cards that Blender itself finds."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sheepfold.client.config import ConfigError
from sheepfold.client.task import Device, DeviceKind

_MARK = "sheepfold-devices "
# The first is preferred when a card is listed under several: OptiX is CUDA with ray tracing hardware.
_TYPES = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")
_SECONDS = 120  # the first look at a card may compile its kernels

_LIST_SCRIPT = f"""
import bpy, json
preferences = bpy.context.preferences.addons["cycles"].preferences
found = []
for kind in {_TYPES!r}:
    try:
        devices = preferences.get_devices_for_type(kind)
    except Exception:  # a type that this build of Blender does not have
        continue
    found += [{{"type": each.type, "id": each.id, "name": each.name}} for each in devices]
print("\\n{_MARK}" + json.dumps(found), flush=True)
"""

_TEST_SCRIPT = """
import bpy, sys
kind, device, output = sys.argv[sys.argv.index("--") + 1:]
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.render.resolution_x = scene.render.resolution_y = 32
scene.render.resolution_percentage = 100
scene.cycles.samples = 1
scene.cycles.use_denoising = False
if kind != "NONE":
    preferences = bpy.context.preferences.addons["cycles"].preferences
    preferences.compute_device_type = kind
    for each in preferences.get_devices_for_type(kind):
        each.use = each.id == device
    scene.cycles.device = "GPU"
scene.render.filepath = output
bpy.ops.render.render(write_still=True)
"""

PROCESSOR = Device()


@dataclass(frozen=True, slots=True)
class Blender:
    """A Blender of this machine, asked about devices. It opens no scene of others."""

    program: str

    def list_devices(self) -> list[Device]:
        """The graphics cards. Empty when there is none, or no Blender."""
        return parse_devices(self._run(_LIST_SCRIPT))

    def can_render(self, device: Device, folder: Path) -> bool:
        """Render a small frame of Blender's first scene with a device."""
        picture = folder / "test.png"
        words = ["--", device.compute_type, device.id, str(picture)]
        self._run(_TEST_SCRIPT, words)
        return picture.is_file() and picture.stat().st_size > 0

    def _run(self, script: str, words: Sequence[str] = ()) -> str:
        command = [self.program, "-b", "--factory-startup", "--python-expr", script, *words]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.decode("utf-8", "replace")


def parse_devices(output: str) -> list[Device]:
    """The cards in what Blender printed, each card once, under its best type."""
    line = next((line for line in output.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        return []
    cards: dict[str, Device] = {}
    listed = json.loads(line.removeprefix(_MARK))
    for entry in sorted((entry for entry in listed if entry["type"] in _TYPES), key=_rank):
        cards.setdefault(_card(entry["id"]), Device(DeviceKind.GPU, entry["type"], entry["id"], entry["name"]))
    return list(cards.values())


def choose_devices(wanted: Sequence[str], cards: Sequence[Device]) -> list[Device]:
    """Devices by the words of the settings. Raises ConfigError that lists what there is."""
    chosen: list[Device] = []
    for word in wanted:
        chosen += _matching(word, cards)
    if not chosen:
        raise ConfigError("devices: none is named")
    return list(dict.fromkeys(chosen))


def _matching(word: str, cards: Sequence[Device]) -> list[Device]:
    match word.lower():
        case "cpu":
            return [PROCESSOR]
        case "all":
            return [*cards, PROCESSOR]
        case "gpu" if cards:
            return list(cards)
    found = [card for card in cards if word in (card.id, card.name)]
    if not found:
        known = ", ".join(["cpu", *(f"{card.id} ({card.name})" for card in cards)])
        raise ConfigError(f"devices: there is no {word!r} here; there is: {known}")
    return found


def _rank(entry: dict[str, str]) -> int:
    return _TYPES.index(entry["type"])


def _card(device_id: str) -> str:
    """The same card under different types: `CUDA_Name_0000:01:00` and `CUDA_Name_0000:01:00_OptiX`."""
    return device_id.removesuffix("_OptiX")
