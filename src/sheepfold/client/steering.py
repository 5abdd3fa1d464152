"""What the machine's owner asks for on the farm's site, on its way to this client's control and back."""

from sheepfold.client.control import Control, Wish
from sheepfold.client.events import Level, Listener, Message, Stopping
from sheepfold.protocol.codes import OwnerWish

_WORDS = {
    OwnerWish.RUN: "resumed on the farm's site",
    OwnerWish.PAUSE: "paused on the farm's site: no new frame until it is resumed there",
    OwnerWish.STOP_AFTER_FRAME: "stopped on the farm's site: it ends after this frame",
    OwnerWish.STOP_NOW: "stopped on the farm's site: it ends now and gives its frame back",
}


def hear(wish: OwnerWish | None, control: Control, listener: Listener) -> bool:
    """Obey what an answer of the farm says. True if it is news; an answer without a wish changes nothing."""
    if wish is None or not control.obey_site(Wish[wish.name]):
        return False
    listener(Message(Level.INFO, _WORDS[wish]))
    if control.stopping:
        listener(Stopping(now=control.stopping_now))
    return True


def obeyed(control: Control) -> OwnerWish:
    """What this client does now, whoever asked for it."""
    return OwnerWish[control.wish.name]
