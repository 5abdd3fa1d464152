"""How long people wait: from an uploaded scene to its first frame on a machine, from a finished frame to the browser.

    ./sheepfold bench latency [--engine sqlite] [--scenes 5] [--frames 40]

Start: a scene of Blender comes through the interface for programs. Times count from the answer to its last byte until
the project is ready (analysed and packed by the background process), and from the order to start until a machine, which
asks twenty times a second, has its first frame. Frame: a page of the owner listens to the events while a machine
sends frames, half a second apart; from the answer to the upload until the event that names the frame.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
from support.farm import SIZE, Holding, Served, add_projects, add_sessions, hand_out, new_farm, signed_in
from support.machine import send, try_to_ask
from support.pictures import small_png
from support.program import Row, engine_parser, quantile, run_on_each
from support.scenes import make_scene
from support.wire import Pool

from sheepfold.commands.farm import Farm as Api

LOOK_SECONDS = 0.05  # between two questions whether it is so
PAUSE_SECONDS = 0.5  # between two frames: longer than the farm gathers news
PATIENCE = 60.0


def main() -> None:
    """Measure and print."""
    made = engine_parser(__doc__)
    made.add_argument("--scenes", type=int, default=5)
    made.add_argument("--frames", type=int, default=40)
    run_on_each(__file__, made.parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Both kinds of waiting."""
    scenes, frames = (1, 2) if options.quick else (options.scenes, options.frames)
    with new_farm(options.engine) as farm:
        scene = make_scene("trivial", farm.folder / "scene.blend", 10)
        project = add_projects(1, frames)[0]
        newcomer, *members = add_sessions(1 + frames)
        held = list(hand_out(members).items())
        token, cookies = _token("owner0"), signed_in("owner0")
        with farm.served() as served:
            shown = asyncio.run(_until_shown(served, project.pk, cookies, held))
            begun = [asyncio.run(_until_begun(served, token, scene, newcomer.token)) for _ in range(scenes)]
    waits = {
        "uploaded, until ready": [ready for ready, _ in begun],
        "started, until a machine has its first frame": [first for _, first in begun],
        "frame accepted, until its page knows": shown,
    }
    return [
        {
            "engine": options.engine,
            "wait": what,
            "times": len(values),
            "p50 s": quantile(values, 0.5),
            "worst s": max(values),
        }
        for what, values in waits.items()
    ]


def _token(username: str) -> str:
    from sheepfold.server.accounts.actions import create_api_token
    from sheepfold.server.accounts.models import User

    return create_api_token(user=User.objects.get(username=username), name="bench")[1]


async def _until_begun(served: Served, token: str, scene: Path, cookie: str) -> tuple[float, float]:
    """Seconds from the last byte until it is ready, and from the order to start until a machine has a frame."""
    api = Api(served.url, token)
    project = await asyncio.to_thread(api.upload, scene, lambda _: None)
    since = time.perf_counter()
    while (state := api.get(f"projects/{project}"))["status"] in {"uploading", "analysing"}:
        _check_patience(since)
        await asyncio.sleep(LOOK_SECONDS)
    ready = time.perf_counter() - since
    if state["status"] != "ready":
        raise RuntimeError(f"the scene is {state['status']}: {state['reason']}")
    pool, since = Pool(served.address), time.perf_counter()
    await asyncio.to_thread(api.post, f"projects/{project}/start")
    while await try_to_ask(pool, cookie) is None:
        _check_patience(since)
        await asyncio.sleep(LOOK_SECONDS)
    first = time.perf_counter() - since
    pool.close()
    api.post(f"projects/{project}/cancel")
    return ready, first


async def _until_shown(
    served: Served, project: int, cookies: dict[str, str], held: list[tuple[str, Holding]]
) -> list[float]:
    """Seconds from the answer to each frame until the page hears of it."""
    pool, waits = Pool(served.address), []
    async with (
        httpx2.AsyncClient(base_url=served.url, cookies=cookies, timeout=PATIENCE) as browser,
        browser.stream("GET", f"/projects/{project}/live/") as page,
    ):
        frames = _frames_that_are_done(page)
        for number, (cookie, holding) in enumerate(held):
            await asyncio.sleep(PAUSE_SECONDS)
            await send(pool, cookie, holding, small_png(number, SIZE))
            since = time.perf_counter()
            async for frame in frames:
                if frame == holding.frame:
                    break
            waits.append(time.perf_counter() - since)
    pool.close()
    return waits


async def _frames_that_are_done(page: httpx2.Response) -> AsyncIterator[int]:
    """As the events name them."""
    async for line in page.aiter_lines():
        if line.startswith("data: "):
            for row in json.loads(line[len("data: ") :]).get("done", ()):
                yield int(row[0])


def _check_patience(since: float) -> None:
    if time.perf_counter() - since > PATIENCE:
        raise TimeoutError("the farm does not come to an end with a scene")


if __name__ == "__main__":
    main()
