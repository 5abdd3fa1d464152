"""Commands about projects: submit, projects, frames, download, pause, resume, cancel."""

import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from sheepfold.commands.errors import CommandError
from sheepfold.commands.farm import Farm, with_farm
from sheepfold.commands.show import Column, Row, as_json_option, duration, local_time, print_rows
from sheepfold.commands.watch import View, watch

ANALYSIS_LOOK_SECONDS = 0.5
PAGE = 1000

PROJECTS = (
    Column("project", lambda row: row["id"], right=True),
    Column("name", lambda row: row["settings"]["name"]),
    Column("status", lambda row: row["status"]),
    Column("done", lambda row: f"{row['progress']['done']}/{_total(row)}", right=True),
    Column("left", lambda row: duration(row["progress"]["seconds_left"]) if row["status"] == "rendering" else ""),
    Column("created", lambda row: local_time(row["created_at"])),
)
FRAMES = (
    Column("frame", lambda row: row["frame"], right=True),
    Column("part", lambda row: row["part"] or "", right=True),
    Column("status", lambda row: row["status"]),
    Column("time", lambda row: duration(row["seconds"]), right=True),
    Column("machine", lambda row: row["machine"]),
    Column("failures", lambda row: row["failures"] or "", right=True),
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Name of the project; without it that of the file.")
@click.option("--frames", help="Which frames, e.g. 1-24,30; without it those of the scene.")
@click.option("--percentage", type=click.IntRange(1, 400), help="Size of the images, of the scene's size.")
@click.option("--samples", type=click.IntRange(1), help="Samples a pixel; without it as the scene says.")
@click.option("--wait", is_flag=True, help="Wait until all frames are done.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Save frames here as they come.")
@with_farm
def submit(farm: Farm, /, file: Path, wait: bool, output: Path | None, **settings: object) -> None:
    """Upload a scene (.blend, or .zip with everything it needs) and start rendering it."""
    project = submit_scene(farm, file, settings)
    click.echo(f"Project {project}: {farm.url}/projects/{project}/")
    if wait or output is not None:
        finish(farm, project, output)


def submit_scene(farm: Farm, file: Path, settings: dict[str, object]) -> int:
    """Upload, wait for the analysis, set and start. Raises CommandError with the reason if the farm rejects it."""
    with _bytes_bar() as bar:
        task = bar.add_task(f"uploading {file.name}", total=file.stat().st_size)
        project = farm.upload(file, lambda sent: bar.update(task, completed=sent))
    _await_ready(farm, project)
    wanted = {name: value for name, value in settings.items() if value is not None}
    if wanted:
        farm.patch(f"projects/{project}", wanted)
    farm.post(f"projects/{project}/start")
    return project


def finish(farm: Farm, project: int, output: Path | None) -> View:
    """Watch until the end, saving frames. Raises CommandError if some are missing."""
    if output is None:
        view = watch(farm, project)
    else:
        output.mkdir(parents=True, exist_ok=True)
        view = watch(farm, project, on_frame=lambda frame: save_frame(farm, project, frame, output))
        _save_all(farm, project, output)
    if view.done < view.total or not view.total:
        raise CommandError(f"{view.done} of {view.total} frames are done; {farm.url}/projects/{project}/ says why")
    return view


def save_frame(farm: Farm, project: int, frame: Row, folder: Path) -> None:
    """Save one finished frame under the name it has in the zip as well."""
    farm.download(f"projects/{project}/frames/{frame['frame']}?part={frame['part']}", folder / frame["file"])


def _await_ready(farm: Farm, project: int) -> None:
    while (state := farm.get(f"projects/{project}"))["status"] in {"uploading", "analysing"}:
        time.sleep(ANALYSIS_LOOK_SECONDS)
    if state["status"] == "rejected":
        raise CommandError(f"the farm rejects the scene: {state['reason']}")


def _save_all(farm: Farm, project: int, folder: Path) -> int:
    """Save finished frames that are not there yet. Returns how many there are."""
    after, count = 0, 0
    while results := farm.get(f"projects/{project}/results", after=after):
        for frame in results:
            count += 1
            if not (folder / frame["file"]).exists():
                save_frame(farm, project, frame, folder)
        after = results[-1]["result"]
    return count


@click.command()
@as_json_option
@with_farm
def projects(farm: Farm, /, as_json: bool) -> None:
    """List the projects that you may see, the newest first."""
    print_rows(farm.get("projects"), PROJECTS, as_json=as_json, nothing="There are no projects yet.")


@click.command()
@click.argument("project", type=int)
@as_json_option
@with_farm
def frames(farm: Farm, /, project: int, as_json: bool) -> None:
    """List the frames of a project."""
    rows: list[Row] = []
    while page := farm.get(f"projects/{project}/frames", offset=len(rows)):
        rows += page
    print_rows(rows, FRAMES, as_json=as_json, nothing="The project has no frames yet.")


@click.command()
@click.argument("project", type=int)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder; without it the project's.")
@click.option("--zip", "as_zip", is_flag=True, help="One .zip instead of a folder of files.")
@click.option("--video", is_flag=True, help="The film of the frames, too.")
@with_farm
def download(farm: Farm, /, project: int, output: Path | None, as_zip: bool, video: bool) -> None:
    """Save the frames of a project that are done, also while it renders."""
    state = farm.get(f"projects/{project}")
    folder = output or Path(f"project-{project}")
    folder.mkdir(parents=True, exist_ok=True)
    if as_zip:
        _download_file(farm, f"projects/{project}/zip", folder / "frames.zip")
    else:
        _download_frames(farm, project, state["progress"]["done"], folder)
    if video:
        _download_file(farm, f"projects/{project}/video", folder / "animation.mp4")


def _download_frames(farm: Farm, project: int, done: int, folder: Path) -> None:
    columns = (TextColumn("frames"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("frames", total=done)
        after = 0
        while results := farm.get(f"projects/{project}/results", after=after):
            for frame in results:
                save_frame(farm, project, frame, folder)
                bar.advance(task)
            after = results[-1]["result"]
    click.echo(f"{done} frames in {folder}")


def _download_file(farm: Farm, path: str, target: Path) -> None:
    with _bytes_bar() as bar:
        task = bar.add_task(target.name, total=None)
        farm.download(path, target, lambda more: bar.advance(task, more))
    click.echo(str(target))


def _bytes_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _total(row: Row) -> int:
    progress = row["progress"]
    return sum(progress[state] for state in ("waiting", "rendering", "done", "failed", "cancelled"))


def _steering(verb: str, words: str, past: str) -> click.Command:
    @click.command(verb, help=words)
    @click.argument("project", type=int)
    @with_farm
    def steer(farm: Farm, /, project: int) -> None:
        farm.post(f"projects/{project}/{verb}")
        click.echo(f"Project {project} is {past}.")

    return steer


pause = _steering("pause", "Give out no more frames of a project; those being rendered count.", "paused")
resume = _steering("resume", "Give out frames of a paused project again.", "rendering")
cancel = _steering("cancel", "Stop a project, on the machines too. Finished frames stay.", "cancelled")
