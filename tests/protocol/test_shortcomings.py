"""What a machine's page says about its client."""

import pytest

from sheepfold.protocol.generations import Generation
from sheepfold.protocol.shortcomings import shortcomings


def test_our_own_client_lacks_nothing() -> None:
    assert shortcomings(Generation.SHEEPFOLD) == ()


@pytest.mark.parametrize(
    ("generation", "word"),
    [
        (Generation.GO_2017, "never sends"),
        (Generation.RUST_2024, "Windows only"),
        (Generation.JAVA_2015, "encrypted"),
        (Generation.JAVA_2018, "next frame"),
    ],
)
def test_gravest_thing_comes_first(generation: Generation, word: str) -> None:
    assert word in shortcomings(generation)[0]


def test_clients_since_2020_can_do_all() -> None:
    able = {generation for generation in Generation if shortcomings(generation) == ()}

    assert able == {
        Generation.JAVA_2020_04,
        Generation.JAVA_2020_07,
        Generation.JAVA_2021,
        Generation.JAVA_2022,
        Generation.SHEEPFOLD,
    }
