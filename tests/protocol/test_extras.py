"""What Sheepfold's client and server agree on, and that nobody else is taken for one of them."""

import pytest

from sheepfold.protocol import limits
from sheepfold.protocol.extras import Extras, agree, format_extras, parse_extras, silence_limit


def test_wish_travels_as_documented() -> None:
    assert format_extras(Extras(heartbeat=60, leases=3)) == "sheepfold/2 heartbeat=60 leases=3"


def test_client_says_which_folder_and_which_start_it_is() -> None:
    said = format_extras(Extras(heartbeat=60, leases=3, instance="box-1", run="7f_3"))

    assert said == "sheepfold/2 heartbeat=60 leases=3 instance=box-1 run=7f_3"


@pytest.mark.parametrize(
    ("text", "extras"),
    [
        ("sheepfold/1 heartbeat=30 leases=8", Extras(1, heartbeat=30, leases=8)),
        ("sheepfold/1 leases=8 heartbeat=30", Extras(1, heartbeat=30, leases=8)),
        ("sheepfold/1", Extras(1)),
        ("sheepfold/3 heartbeat=30 colour=blue", Extras(3, heartbeat=30)),
        ("sheepfold/1 heartbeat=soon leases=-1 leases", Extras(1)),
        ("sheepfold/1 heartbeat=12345678901234567890", Extras(1)),
        ("sheepfold/1  heartbeat=30", Extras(1, heartbeat=30)),
        ("sheepfold/2 instance=box-1 run=7f_3", Extras(2, instance="box-1", run="7f_3")),
        ("sheepfold/2 instance=b%20x run=", Extras(2)),
        (f"sheepfold/2 instance={'a' * 65}", Extras(2)),
    ],
)
def test_word_of_our_own_side_is_understood(text: str, extras: Extras) -> None:
    assert parse_extras(text) == extras


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "-x", "sheepfold", "sheepfold/", "sheepfold/0", "sheepfold/one", "Sheepfold/1", "1"],
)
def test_word_of_a_foreign_client_is_not_ours(text: str | None) -> None:
    assert parse_extras(text) is None


@pytest.mark.parametrize(
    ("wish", "granted"),
    [
        (Extras(1, 60, 3), Extras(1, 60, 3)),
        (Extras(2, 60, 3, "box-1", "7f_3"), Extras(2, 60, 3)),
        (Extras(9, 60, 3), Extras(2, 60, 3)),
        (Extras(1, 0, 0), Extras(1, limits.OWN_HEARTBEAT_MIN, 1)),
        (Extras(1, 10**8, 10**8), Extras(1, limits.OWN_HEARTBEAT_MAX, limits.OWN_OPEN_TILES_MAX)),
    ],
)
def test_server_grants_the_wish_within_limits(wish: Extras, granted: Extras) -> None:
    assert agree(wish) == granted


@pytest.mark.parametrize(("version", "steered"), [(1, False), (2, True)])
def test_owner_steers_clients_from_version_2_on(version: int, steered: bool) -> None:
    assert Extras(version).steered is steered


def test_our_client_is_missed_after_three_heartbeats() -> None:
    assert silence_limit(Extras(heartbeat=60)) == 180


def test_foreign_client_may_be_silent_for_more_than_17_minutes_trap_16() -> None:
    assert silence_limit(None) > 17 * 60
    assert silence_limit(None) == limits.FOREIGN_SILENCE


def test_old_client_beats_within_the_silence_it_is_allowed_trap_16() -> None:
    looks_at_clock_every = 60
    slowest = limits.FOREIGN_MAX_PERIOD - limits.OLD_CLIENT_MARGIN + looks_at_clock_every

    assert 900 <= slowest < limits.FOREIGN_SILENCE
