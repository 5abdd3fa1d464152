import io
import zipfile

import httpx2
import pytest

from sheepfold.server.core.actions import record_blob
from sheepfold.server.core.storage import store
from sheepfold.server.frames.models import Tile, TileStatus
from sheepfold.server.machines.models import Machine
from sheepfold.server.projects.models import Project, ProjectStatus
from sheepfold.server.results.models import Result, Verdict
from tests.server.api.conftest import Program, program_of
from tests.server.conftest import Server
from tests.server.farm import NOON, make_project, make_session, make_user, statuses

W, R, D, C = TileStatus.WAITING, TileStatus.RENDERING, TileStatus.DONE, TileStatus.CANCELLED


def test_a_project_tells_how_far_it_is(program: Program) -> None:
    project = make_project(owner=program.user, tiles=4, name="sheep")
    _finish(project, 2, b"image", seconds=3.0)
    status, answer = program.get(f"projects/{project.pk}")
    assert status == 200
    assert answer["settings"]["name"] == "sheep"
    assert answer["settings"]["renderer"] == "4.2.1"
    assert answer["progress"] == {
        "waiting": 3,
        "rendering": 0,
        "done": 1,
        "failed": 0,
        "cancelled": 0,
        "seconds_left": 9.0,
    }


def test_the_list_holds_what_one_may_see_the_newest_first(program: Program) -> None:
    first, second = make_project(owner=program.user), make_project(owner=program.user)
    make_project()
    assert [one["id"] for one in program.get("projects")[1]] == [second.pk, first.pk]


def test_pause_resume_and_cancel(program: Program) -> None:
    project = make_project(owner=program.user, tiles=2)
    seen = [program.post(f"projects/{project.pk}/{verb}")[1]["status"] for verb in ("pause", "resume", "cancel")]
    assert seen == ["paused", "rendering", "cancelled"]
    assert statuses(project) == [C, C]


def test_settings_change_before_the_start(program: Program) -> None:
    project = make_project(
        owner=program.user, status=ProjectStatus.READY, facts={"width": 100, "height": 50}, claimable=False
    )
    status, answer = program.patch(f"projects/{project.pk}", {"frames": "3-5", "percentage": 50, "order": "preview"})
    assert status == 200
    assert (answer["settings"]["frames"], answer["settings"]["order"]) == ("3-5", "preview")
    assert (answer["width"], answer["height"]) == (50, 25)


def test_a_setting_that_does_not_exist_is_refused(program: Program) -> None:
    project = make_project(owner=program.user, status=ProjectStatus.READY)
    status, answer = program.patch(f"projects/{project.pk}", {"order": "backwards"})
    assert (status, answer["error"]) == (422, "order: Input should be 'first', 'inwards' or 'preview'")


def test_frames_are_rendered_again_and_added(program: Program) -> None:
    project = make_project(owner=program.user, tiles=2)
    _finish(project, 1, b"image")
    assert program.post(f"projects/{project.pk}/rerender", {"frames": "1"}) == (200, {"tiles": 1})
    assert program.post(f"projects/{project.pk}/extend", {"frames": "2-4"}) == (200, {"tiles": 2})
    assert statuses(project) == [W, W, W, W]


def test_frames_and_results_tell_time_and_machine(program: Program) -> None:
    project = make_project(owner=program.user, tiles=2, name="walk")
    result = _finish(project, 2, b"image", seconds=3.5)
    waiting, done = program.get(f"projects/{project.pk}/frames")[1]
    assert waiting == {"frame": 1, "part": 0, "status": "waiting", "failures": 0, "seconds": None, "machine": None}
    assert (done["status"], done["seconds"], done["machine"]) == ("done", 3.5, _machine_name(result))
    [listed] = program.get(f"projects/{project.pk}/results")[1]
    assert (listed["result"], listed["frame"], listed["file"]) == (result.pk, 2, "walk_0002.png")
    assert program.get(f"projects/{project.pk}/results", after=result.pk) == (200, [])


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "9" * 30])
def test_a_number_that_is_none_is_refused(program: Program, after: str) -> None:
    project = make_project(owner=program.user)
    answer = program.get(f"projects/{project.pk}/results", after=after)
    assert answer == (422, {"error": "after: write a whole number"})


def test_an_unfinished_frame_is_not_found(program: Program) -> None:
    project = make_project(owner=program.user)
    assert program.get(f"projects/{project.pk}/frames/1") == (404, {"error": "this frame is not finished"})


def test_frames_and_zip_are_the_bytes_of_the_machines(server: Server) -> None:
    owner = program_of(make_user("owner"))
    project = make_project(owner=owner.user, tiles=3, name="walk")
    _finish(project, 1, b"one" * 1000)
    _finish(project, 3, b"three")
    headers = {"Authorization": f"Bearer {owner.token}"}
    base = f"{server.url}/api/projects/{project.pk}"
    frame = httpx2.get(f"{base}/frames/3", headers=headers)
    assert (frame.content, frame.headers["content-length"]) == (b"three", "5")
    assert frame.headers["content-disposition"] == "attachment; filename*=UTF-8''walk_0003.png"
    archive = httpx2.get(f"{base}/zip", headers=headers)
    assert len(archive.content) == int(archive.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            "walk_0001.png": b"one" * 1000,
            "walk_0003.png": b"three",
        }


def _finish(project: Project, frame: int, image: bytes, seconds: float = 1.0) -> Result:
    tile = Tile.objects.get(project=project, frame=frame)
    Tile.objects.filter(pk=tile.pk).update(status=D)
    return Result.objects.create(
        tile=tile,
        project_id=project.pk,
        lease_token=f"token of {tile.pk}",
        machine_id=make_session().machine_id,
        blob=record_blob(ref=store().keep_bytes(image, "image/png")),
        verdict=Verdict.ACCEPTED,
        format="PNG",
        size=len(image),
        rendertime=seconds,
        created_at=NOON,
    )


def _machine_name(result: Result) -> str:
    return Machine.objects.get(pk=result.machine_id).name
