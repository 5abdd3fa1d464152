"""Graphics cards as Blender lists them, from recorded lists, and this machine's Blender for real."""

import json
from pathlib import Path

import pytest

from sheepfold.client.config import ConfigError
from sheepfold.client.devices import PROCESSOR, Blender, choose_devices, parse_devices
from sheepfold.client.task import Device, DeviceKind

NVIDIA = [
    {"type": "CUDA", "id": "CUDA_NVIDIA GeForce RTX 3080_0000:01:00", "name": "NVIDIA GeForce RTX 3080"},
    {"type": "CPU", "id": "CPU", "name": "AMD Ryzen 7"},
    {"type": "OPTIX", "id": "CUDA_NVIDIA GeForce RTX 3080_0000:01:00_OptiX", "name": "NVIDIA GeForce RTX 3080"},
    {"type": "CUDA", "id": "CUDA_NVIDIA GeForce GTX 970_0000:02:00", "name": "NVIDIA GeForce GTX 970"},
]
AMD = [{"type": "HIP", "id": "HIP_AMD Radeon RX 6800_0000:03:00", "name": "AMD Radeon RX 6800"}]
INTEL = [{"type": "ONEAPI", "id": "ONEAPI_Intel Arc A770_0000:04:00.0", "name": "Intel Arc A770"}]
APPLE = [{"type": "METAL", "id": "METAL_Apple M1_GPU", "name": "Apple M1 (GPU - 8 cores)"}]


def said(listed: list[dict[str, str]]) -> str:
    return f"Blender 4.2.0\n\nsheepfold-devices {json.dumps(listed)}\n\nBlender quit\n"


def card(kind: str, id_: str, name: str) -> Device:
    return Device(DeviceKind.GPU, kind, id_, name)


def test_each_card_is_listed_once_under_its_best_type() -> None:
    assert parse_devices(said(NVIDIA)) == [
        card("OPTIX", "CUDA_NVIDIA GeForce RTX 3080_0000:01:00_OptiX", "NVIDIA GeForce RTX 3080"),
        card("CUDA", "CUDA_NVIDIA GeForce GTX 970_0000:02:00", "NVIDIA GeForce GTX 970"),
    ]


@pytest.mark.parametrize("listed", [AMD, INTEL, APPLE])
def test_other_makers(listed: list[dict[str, str]]) -> None:
    [entry] = listed
    assert parse_devices(said(listed)) == [card(entry["type"], entry["id"], entry["name"])]


@pytest.mark.parametrize("output", ["", "Blender 2.79\nTraceback\n", said([]), said([NVIDIA[1]])])
def test_no_card(output: str) -> None:
    assert parse_devices(output) == []


def test_choice_by_word_id_or_name() -> None:
    cards = parse_devices(said(NVIDIA))
    assert choose_devices(["cpu"], cards) == [PROCESSOR]
    assert choose_devices(["gpu"], cards) == cards
    assert choose_devices(["all"], cards) == [*cards, PROCESSOR]
    assert choose_devices([cards[1].id, "cpu"], cards) == [cards[1], PROCESSOR]
    assert choose_devices([cards[1].name, "gpu"], cards) == [cards[1], cards[0]]


@pytest.mark.parametrize("word", ["gpu", "CUDA_0"])
def test_card_that_is_not_there_is_refused_with_the_list(word: str) -> None:
    with pytest.raises(ConfigError, match=f"no '{word}' here; there is: cpu$"):
        choose_devices([word], [])


def test_blender_of_this_machine_lists_and_renders(tmp_path: Path) -> None:
    blender = Blender("blender")
    assert all(device.kind is DeviceKind.GPU for device in blender.list_devices())
    assert blender.can_render(PROCESSOR, tmp_path)


def test_card_that_cannot_render_fails_its_test(tmp_path: Path) -> None:
    assert not Blender("blender").can_render(card("NO_SUCH_TYPE", "x", "x"), tmp_path)


def test_machine_without_blender_has_no_card(tmp_path: Path) -> None:
    assert Blender(str(tmp_path / "none")).list_devices() == []
    assert not Blender(str(tmp_path / "none")).can_render(PROCESSOR, tmp_path)
