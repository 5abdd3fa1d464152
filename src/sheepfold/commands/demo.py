"""`sheepfold demo`: a whole farm on this machine, from nothing to a film."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

import sheepfold
from sheepfold.commands.demo_farm import DemoFarm, run_demo_farm
from sheepfold.commands.errors import CommandError
from sheepfold.commands.projects import save_frame, submit_scene
from sheepfold.commands.watch import View, watch

DEMO = Path(sheepfold.__file__).resolve().parents[2] / "demo"
VIDEO_LOOK_SECONDS = 0.5
VIDEO_SECONDS = 300  # for a dozen frames it takes one or two
INTERRUPTED = 130  # the status of a program that Ctrl-C ended


@click.command()
@click.option("--exit", "exit_after", is_flag=True, help="End after the last frame.")
@click.option("--port", type=int, help="Port of the site; without it 8080, or a free one.")
def demo(exit_after: bool, port: int | None) -> None:
    """Start a farm here, render an animation with this machine's Blender, and show how far it is.

    Everything goes into the folder demo of the checkout: farm, frames, animation.mp4.
    """
    if not (DEMO / "scene.py").is_file():
        raise CommandError("the demo needs a checkout of Sheepfold: its scene is made by demo/scene.py")
    with _interruptible():
        with run_demo_farm(DEMO, port) as farm:
            words = _render(farm)
            if not exit_after:
                click.echo(words)
                _keep_serving(farm)
        if exit_after:
            click.echo(words)


def _render(farm: DemoFarm) -> str:
    project = submit_scene(farm.http, farm.scene, {})
    click.echo(f"Watch it at {farm.http.url}/projects/{project}/")
    click.echo(f"Sign in as {farm.login} with the password {farm.password}")
    view = watch(
        farm.http,
        project,
        on_frame=lambda frame: save_frame(farm.http, project, frame, DEMO / "frames"),
        check=farm.check,
    )
    if view.done < view.total or not view.total:
        raise CommandError(f"{view.done} of {view.total} frames are done; the log is {farm.client_log}")
    _save_video(farm, project)
    return _summary(view)


def _save_video(farm: DemoFarm, project: int) -> None:
    until = time.monotonic() + VIDEO_SECONDS
    while (state := farm.http.get(f"projects/{project}")["video"]) in {"", "waiting"}:
        farm.check()
        if time.monotonic() > until:
            raise CommandError(f"the film is not made; the log is {farm.server_log}")
        time.sleep(VIDEO_LOOK_SECONDS)
    if state == "failed":
        raise CommandError(f"the film could not be made; the log is {farm.server_log}")
    farm.http.download(f"projects/{project}/video", DEMO / "animation.mp4")


def _summary(view: View) -> str:
    return f"demo: {view.done}/{view.total} frames, demo/animation.mp4"


def _keep_serving(farm: DemoFarm) -> None:
    click.echo(f"The farm goes on at {farm.http.url} until Ctrl-C. Its commands, in another terminal:")
    click.echo(f"  ./sheepfold projects --data-dir {farm.data_dir}")
    try:
        while True:
            farm.check()
            time.sleep(1)
    except KeyboardInterrupt:
        click.echo("ending")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM is taken like Ctrl-C, so that everything is ended in order."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("demo: interrupted, all of it is ended")
        raise SystemExit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
