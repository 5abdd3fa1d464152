from sheepfold.server.core.storage import store
from sheepfold.server.projects.models import Project, ProjectStatus
from tests.server.api.conftest import Program


def test_a_scene_comes_in_pieces(program: Program) -> None:
    _, upload = program.post("uploads", {"name": "C:\\scenes\\walk.blend", "size": 9})
    assert (upload["received"], upload["size"], upload["done"]) == (0, 9, False)
    address = f"uploads/{upload['id']}"
    assert program.send(f"{address}?offset=0", b"BLEN")[1]["received"] == 4
    assert program.send(f"{address}?offset=4", b"DER17")[1]["done"] is True
    project = Project.objects.get(pk=upload["project"])
    assert (project.name, project.status) == ("walk", ProjectStatus.ANALYSING)
    assert project.upload is not None
    assert store().read(project.upload.sha256) == b"BLENDER17"


def test_a_piece_that_does_not_follow_is_refused_and_the_farm_says_where_to_go_on(program: Program) -> None:
    _, upload = program.post("uploads", {"name": "walk.blend", "size": 9})
    address = f"uploads/{upload['id']}"
    program.send(f"{address}?offset=0", b"BLEN")
    assert program.send(f"{address}?offset=7", b"17") == (
        409,
        {"error": "the upload stands at byte 4, not 7; go on from there"},
    )
    assert program.get(address)[1]["received"] == 4


def test_what_is_no_scene_makes_no_project(program: Program) -> None:
    status, answer = program.post("uploads", {"name": "walk.exe", "size": 9})
    assert (status, answer["error"].split(";")[0]) == (422, "walk.exe is neither a .blend nor a .zip")
    assert program.post("uploads", {"name": "walk.blend", "size": 0})[0] == 422
    assert not Project.objects.exists()


def test_an_upload_of_somebody_else_does_not_exist(program: Program, stranger: Program) -> None:
    _, upload = program.post("uploads", {"name": "walk.blend", "size": 9})
    address = f"uploads/{upload['id']}"
    refusal = (404, {"error": "there is no such upload; start it again"})
    assert stranger.get(address) == refusal
    assert stranger.send(f"{address}?offset=0", b"BLEN") == refusal
    assert program.get(address)[1]["received"] == 0
