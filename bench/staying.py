"""Two artists share one machine: what it costs to change their scenes at each frame, and what is left when it stays.

    ./sheepfold bench staying [--engine sqlite] [--frames 24] [--repeat 2]

Two owners of equal priority have the heavy scene each, which takes seconds to load and build. A real client renders
both. *stays* is the farm as it is. For *changes* the client does not tell what it has, so the owners take turns at each
frame; it keeps what it fetched and fetches nothing twice, so the difference is Blender's, not the network's. Seconds a
frame are from the first to the last frame that the farm took; `share` is how many frames the other owner had when the
first of the two was done.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from support.farm import Served, new_farm
from support.program import Row, engine_parser, run_on_each
from support.scenes import make_scene

from sheepfold.commands.farm import Farm as Api

OWNERS = ("ada", "ben")
CLIENT = "from sheepfold.cli import main; main()"
FORGETFUL = "from sheepfold.client.fetch import Cache; Cache.md5s = lambda _: (); " + CLIENT
PATIENCE = 600.0
LOOK_SECONDS = 0.1


def main() -> None:
    """Measure and print."""
    made = engine_parser(__doc__)
    made.add_argument("--frames", type=int, default=24)
    made.add_argument("--repeat", type=int, default=2)
    run_on_each(__file__, made.parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Both ways in turn."""
    frames, repeat = (2, 1) if options.quick else (options.frames, options.repeat)
    found: dict[str, list[tuple[float, int]]] = {"stays": [], "changes": []}
    with new_farm(options.engine) as farm, farm.served() as served:
        # the same scene twice would be one archive
        scenes = [make_scene("heavy", farm.folder / f"{name}.blend", frames + more) for more, name in enumerate(OWNERS)]
        command = [sys.executable, "-m", "sheepfold", "renderer", "add", "blender"]
        subprocess.run(command, check=True, capture_output=True)
        owners = [Api(served.url, _token(name)) for name in OWNERS]
        key = _key(farm.folder)
        for _ in range(repeat):
            for way, program in (("stays", CLIENT), ("changes", FORGETFUL)):
                found[way].append(_rendered(served, owners, scenes, key, program))
    return [
        {
            "engine": options.engine,
            "way": way,
            "frames": sum(range(frames, frames + len(OWNERS))),
            "s a frame": median(seconds for seconds, _ in runs),
            "share": median(share for _, share in runs) / frames,
        }
        for way, runs in found.items()
    ]


def _token(name: str) -> str:
    from sheepfold.server.accounts.actions import create_api_token, create_user

    return create_api_token(user=create_user(username=name, password=None), name="bench")[1]


def _key(folder: Path) -> Path:
    """Of a machine that belongs to neither."""
    from sheepfold.server.accounts.actions import create_render_key, create_user

    key = folder / "key"
    key.write_text(create_render_key(user=create_user(username="cleo", password=None), name="bench")[1])
    key.chmod(0o600)
    return key


def _rendered(served: Served, owners: list[Api], scenes: list[Path], key: Path, program: str) -> tuple[float, int]:
    """Seconds a frame, and the frames of the second when the first was done."""
    projects = [api.upload(scene, lambda _: None) for api, scene in zip(owners, scenes, strict=True)]
    for api, project in zip(owners, projects, strict=True):
        _until(lambda api=api, project=project: _state(api, project)["status"] == "ready")
        api.post(f"projects/{project}/start")
    with _client(served, key, program):
        _until(lambda: sum(_done(owners, projects)) > 0)
        since, before = time.perf_counter(), sum(_done(owners, projects))
        _until(lambda: any(_finished(owners, projects)))
        share = min(_done(owners, projects))
        _until(lambda: all(_finished(owners, projects)))
        return (time.perf_counter() - since) / (sum(_done(owners, projects)) - before), share


@contextmanager
def _client(served: Served, key: Path, program: str) -> Iterator[None]:
    folder = key.parent / "client"
    words = ["--server", served.url, "--login", "cleo", "--key", str(key), "--cache-dir", str(folder), "--ui", "json"]
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder)}
    command = [sys.executable, "-c", program, "client", *words]
    with (key.parent / "client.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _state(api: Api, project: int) -> dict[str, Any]:
    return api.get(f"projects/{project}")  # type: ignore[no-any-return]


def _finished(owners: list[Api], projects: list[int]) -> list[bool]:
    return [_state(api, project)["status"] == "finished" for api, project in zip(owners, projects, strict=True)]


def _done(owners: list[Api], projects: list[int]) -> list[int]:
    return [_state(api, project)["progress"]["done"] for api, project in zip(owners, projects, strict=True)]


def _until(condition: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    since = time.perf_counter()
    while not condition():
        if time.perf_counter() - since > PATIENCE:
            raise TimeoutError("the farm does not come to an end")
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
