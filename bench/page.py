"""The page of a project of 10,000 frames, against one of 100.

    ./sheepfold bench page [--engine sqlite]

The owner of two projects, whose frames are all done, opens the page of each again and again, and what the page then
asks for: the data of all frames. CPU is that of the web process and, for PostgreSQL, of its server; KB are as sent,
compressed. `ratio` compares CPU with the small project.
"""

import argparse
import time

import httpx2
from support.farm import Served, add_projects, add_sessions, new_farm, signed_in
from support.program import Row, engine_parser, quantile, run_on_each

SIZES = (100, 10_000)
LOOKS = 40
MACHINES = 50


def main() -> None:
    """Measure and print."""
    run_on_each(__file__, engine_parser(__doc__).parse_args(), measure)


def measure(options: argparse.Namespace) -> list[Row]:
    """Each project's page and data."""
    looks, sizes = (3, (10, 100)) if options.quick else (LOOKS, SIZES)
    with new_farm(options.engine) as farm:
        project_ids = _add_done_projects(sizes)
        cookies = signed_in("owner0")
        with farm.served() as served, httpx2.Client(base_url=served.url, cookies=cookies) as browser:
            rows: list[Row] = []
            for what, path in (("page", ""), ("frames", "frames.json")):
                costs: list[float] = []
                for frames, project_id in zip(sizes, project_ids, strict=True):
                    row = _look(served, browser, f"/projects/{project_id}/{path}", looks)
                    costs.append(float(row["CPU ms"]))
                    rows.append(
                        {"engine": options.engine, "what": what, "frames": frames, **row, "ratio": costs[-1] / costs[0]}
                    )
    return rows


def _look(served: Served, browser: httpx2.Client, path: str, looks: int) -> Row:
    for _ in range(3):
        browser.get(path).raise_for_status()
    times, sent = [], 0
    before = served.cpu()
    for _ in range(looks):
        since = time.perf_counter()
        answer = browser.get(path)
        times.append(time.perf_counter() - since)
        sent = answer.num_bytes_downloaded
        if answer.status_code != httpx2.codes.OK:
            raise RuntimeError(f"{path} was answered {answer.status_code}")
    used = served.cpu().since(before)
    return {
        "CPU ms": (used.web + used.database) / looks * 1000,
        "p50 ms": quantile(times, 0.5) * 1000,
        "KB": sent / 1000,
    }


def _add_done_projects(sizes: tuple[int, ...]) -> list[int]:
    """Of one owner, with a result for each frame."""
    from sheepfold.server.core.clock import now
    from sheepfold.server.frames.models import Tile, TileStatus
    from sheepfold.server.projects.models import Project
    from sheepfold.server.results.models import Result, Verdict

    projects = add_projects(len(sizes), 1)
    owner, picture, members = projects[0].owner, projects[0].archive, add_sessions(MACHINES)
    for project, frames in zip(projects, sizes, strict=True):
        Project.objects.filter(pk=project.pk).update(owner=owner, frames=f"1-{frames}")
        Tile.objects.filter(project=project).delete()
        tiles = Tile.objects.bulk_create(
            Tile(project=project, frame=frame, rank=frame, status=TileStatus.DONE, changed_at=now())
            for frame in range(1, frames + 1)
        )
        Result.objects.bulk_create(
            Result(
                tile=tile,
                project_id=project.pk,
                lease_token=f"lease-{tile.pk}",
                machine_id=members[tile.frame % MACHINES].machine_id,
                blob=picture,
                thumbnail=picture,
                verdict=Verdict.ACCEPTED,
                format="PNG",
                rendertime=tile.frame % 97,
                created_at=now(),
            )
            for tile in tiles
        )
    return [project.pk for project in projects]


if __name__ == "__main__":
    main()
