"""Many requests share a transaction, and none of them notices another one's failure."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from django.db import IntegrityError, connection, transaction

from sheepfold.server.core.group_commit import GroupCommit, Piece, commit
from sheepfold.server.core.models import Switch

pytestmark = pytest.mark.django_db(transaction=True)


def write(names: Sequence[str]) -> list[str]:
    """Adds a row a name; a name that is there already is an IntegrityError for the whole group."""
    for name in names:
        Switch.objects.create(name=name)
    return [name.upper() for name in names]


def refuse_bad(names: Sequence[str]) -> list[str]:
    """Writes first and refuses afterwards: what it wrote must be gone."""
    written = write(names)
    if "bad" in names:
        raise ValueError("bad")
    return written


def switches() -> set[str]:
    return set(Switch.objects.values_list("name", flat=True))


def run(*pieces: tuple[object, str]) -> list[object]:
    """Commit the pieces as one group; their outcomes."""
    outcomes: list[object] = []
    commit([Piece(handler, request, outcomes.append) for handler, request in pieces])  # type: ignore[arg-type]
    return outcomes


def test_a_group_is_answered_in_order_after_one_commit() -> None:
    assert run((write, "a"), (write, "b")) == ["A", "B"]
    assert switches() == {"a", "b"}


def test_a_piece_that_fails_rolls_back_alone() -> None:
    first, bad, last = run((refuse_bad, "a"), (refuse_bad, "bad"), (refuse_bad, "c"))

    assert (first, last) == ("A", "C")
    assert isinstance(bad, ValueError)
    assert switches() == {"a", "c"}


def test_a_row_that_exists_hurts_only_the_piece_that_adds_it_again() -> None:
    Switch.objects.create(name="b")

    first, taken, other = run((write, "a"), (write, "b"), (refuse_bad, "c"))

    assert (first, other) == ("A", "C")
    assert isinstance(taken, IntegrityError)
    assert switches() == {"a", "b", "c"}


@pytest.fixture
def commits() -> Iterator[GroupCommit]:
    commits = GroupCommit()
    commits.start()
    yield commits
    commits.stop()


def test_nothing_is_answered_before_its_commit(commits: GroupCommit) -> None:
    commits.run_blocking(write, "a")

    connection.close()  # a fresh connection sees only what is committed
    assert switches() == {"a"}


def test_what_was_handed_in_before_the_stop_is_answered() -> None:
    commits = GroupCommit()
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda name=name: answers.append(commits.run_blocking(write, name)))  # type: ignore[misc]
        for name in "abcdefgh"
    ]
    for thread in threads:
        thread.start()
    commits.start()
    for thread in threads:
        thread.join()
    commits.stop()

    assert sorted(answers) == list("ABCDEFGH")
    assert switches() == set("abcdefgh")


def test_a_broken_connection_is_opened_again_and_the_group_goes_through(commits: GroupCommit) -> None:
    def cut(names: Sequence[str]) -> list[str]:
        connection.connection.close()  # as when the database server was restarted
        return write(names)

    with pytest.raises(Exception, match="closed"):
        commits.run_blocking(cut, "lost")

    assert commits.run_blocking(write, "after") == "AFTER"
    assert switches() == {"after"}


def test_what_breaks_after_the_commit_does_not_end_the_thread_that_everybody_waits_for(commits: GroupCommit) -> None:
    def hooked(names: Sequence[str]) -> list[str]:
        transaction.on_commit(lambda: names[1])
        return write(names)

    with pytest.raises(IndexError):
        commits.run_blocking(hooked, "kept")

    assert commits.run_blocking(write, "after") == "AFTER"
    assert switches() == {"kept", "after"}
