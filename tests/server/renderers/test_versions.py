"""Which Blender renders a scene."""

import pytest

from sheepfold.server.renderers.versions import Candidate, Choice, choose, parse_version

FARM = [
    Candidate(1, (3, 6, 2), is_default=False),
    Candidate(2, (3, 6, 9), is_default=False),
    Candidate(3, (4, 2, 1), is_default=True),
    Candidate(4, (5, 0, 0), is_default=False),
]


@pytest.mark.parametrize(
    ("wanted", "renderer_id", "note"),
    [
        ((3, 6, 9), 2, ""),
        ((3, 6, 2), 1, ""),
        ((3, 6), 2, ""),
        ((3, 6, 5), 2, "saved with Blender 3.6.5, rendered with 3.6.9 of the same series"),
        ((3, 6, 12), 2, "saved with Blender 3.6.12, rendered with 3.6.9 of the same series"),
        ((2, 79), 3, "saved with Blender 2.79, rendered with 4.2.1: look at the first frames before you go on"),
        ((4, 5, 0), 4, "saved with Blender 4.5.0, rendered with 5.0.0: look at the first frames before you go on"),
    ],
)
def test_exact_then_the_series_then_the_default_unless_it_is_older(
    wanted: tuple[int, ...], renderer_id: int, note: str
) -> None:
    assert choose(wanted, FARM) == Choice(renderer_id, note)


def test_a_scene_newer_than_everything_gets_the_default_with_a_warning() -> None:
    chosen = choose((5, 1, 0), FARM)
    assert chosen.renderer_id == 3
    assert "may not understand all of it" in chosen.note


def test_without_a_default_the_newest_stands_in() -> None:
    assert choose((2, 93, 0), [Candidate(8, (3, 4, 1), False), Candidate(9, (4, 0, 2), False)]).renderer_id == 9


def test_a_farm_without_blender_says_what_to_do() -> None:
    assert choose((4, 2, 1), []) == Choice(
        None, "the farm has no Blender yet; an admin adds one with `sheepfold renderer add`"
    )


def test_versions_are_read_from_what_blender_prints() -> None:
    assert [parse_version(text) for text in ("4.2.1 LTS", "2.79", " 5.0.0 Beta")] == [(4, 2, 1), (2, 79), (5, 0, 0)]
    with pytest.raises(ValueError, match="no Blender version"):
        parse_version("four")
