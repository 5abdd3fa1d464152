"""What the owner can type while the client runs."""

import io
import threading

import pytest

from sheepfold.client.commands import Commands, StatusKeeper, listen
from sheepfold.client.control import Control, Wish
from sheepfold.client.events import Event, FrameAccepted, FrameProgress, FrameStarted, Message


class Owner:
    """A control with everything that was answered."""

    def __init__(self) -> None:
        self.control, self.keeper = Control(), StatusKeeper()
        self.heard: list[Event] = []
        self.blocked = 0
        self.commands = Commands(self.control, self._block, self.keeper.read, self.heard.append)

    def _block(self) -> None:
        self.blocked += 1


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (["pause"], Wish.PAUSE),
        (["pause", "resume"], Wish.RUN),
        (["stop"], Wish.STOP_AFTER_FRAME),
        (["stop", "stop"], Wish.STOP_AFTER_FRAME),
        (["stop", "cancel"], Wish.RUN),
        (["pause", "stop"], Wish.STOP_AFTER_FRAME),
        (["stop", "pause"], Wish.STOP_AFTER_FRAME),
        (["quit"], Wish.STOP_NOW),
        (["quit", "cancel"], Wish.STOP_NOW),
        (["PAUSE "], Wish.PAUSE),
        (["", "nonsense"], Wish.RUN),
    ],
)
def test_words_change_what_the_client_does(words: list[str], wish: Wish, owner: Owner) -> None:
    for word in words:
        owner.commands.obey(word)
    assert owner.control.wish is wish


def test_ctrl_c_twice_ends_now() -> None:
    control = Control()
    control.stop()
    assert (control.stopping, control.stopping_now) == (True, False)
    control.stop()
    assert control.stopping_now


@pytest.mark.parametrize(("line", "priority"), [("priority 5", 5), ("priority 20", None), ("priority", None)])
def test_priority(line: str, priority: int | None, owner: Owner) -> None:
    owner.commands.obey(line)
    assert owner.control.priority == priority


def test_block(owner: Owner) -> None:
    owner.commands.obey("block")
    assert owner.blocked == 1


def test_status_says_what_is_going_on(owner: Owner) -> None:
    owner.keeper(FrameStarted("CPU", "Forest", 42, 7))
    owner.keeper(FrameProgress("CPU", 42, 7, 0.5, 60.0, 120.0, 1000))
    owner.keeper(FrameAccepted(42, 6))
    owner.commands.obey("status")
    text = "CPU: Forest, frame 7, 50%, 2 min left; frames delivered: 1"
    assert [event.text for event in owner.heard if isinstance(event, Message)] == [text]


def test_unknown_words_print_the_list(owner: Owner) -> None:
    owner.commands.obey("help")
    [answer] = owner.heard
    assert isinstance(answer, Message)
    for word in ("status", "priority", "block", "pause", "resume", "stop", "cancel", "quit"):
        assert word in answer.text


def test_commands_are_read_from_a_pipe(owner: Owner) -> None:
    listen(owner.commands, io.StringIO("pause\nstop\n"))
    for thread in threading.enumerate():
        if thread.name == "commands":
            thread.join(10)
    assert owner.control.wish is Wish.STOP_AFTER_FRAME
