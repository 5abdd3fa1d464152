"""What the client is doing, put together from its events. Pure: `update` takes a status and gives the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sheepfold.client.events import (
    Downloading,
    Event,
    FarmStats,
    FrameAccepted,
    FrameFailed,
    FrameProgress,
    FrameRefused,
    FrameRendered,
    FrameStarted,
    Level,
    LoggedIn,
    Message,
    Stopping,
    UploadDelayed,
    Waiting,
)

_MESSAGES = 6


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One line of the display."""

    doing: str = "logging in"
    fraction: float | None = None
    remaining: float | None = None  # seconds
    memory_kib: int = 0
    rendered: int = 0
    render_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """The whole display."""

    devices: Mapping[str, DeviceStatus] = field(default_factory=dict)
    farm: str = ""
    stats: FarmStats | None = None
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    last_image: str | None = None
    messages: tuple[Message, ...] = ()
    ending: bool = False


def update(status: Status, event: Event) -> Status:
    """The status after an event."""
    match event:
        case Message():
            return replace(status, messages=(*status.messages, event)[-_MESSAGES:])
        case FarmStats():
            return replace(status, stats=event)
        case LoggedIn():
            return replace(_with(status, event.device, doing="asking for work"), farm=event.server)
        case FrameAccepted():
            return replace(status, accepted=status.accepted + 1)
        case FrameRefused() | UploadDelayed():
            return _upload_trouble(status, event)
        case Stopping():
            return replace(status, ending=True)
        case _:
            return _device(status, event)


def _device(
    status: Status, event: Waiting | Downloading | FrameStarted | FrameProgress | FrameRendered | FrameFailed
) -> Status:
    match event:
        case Waiting():
            return _with(status, event.device, doing=waiting_words(event), fraction=None, remaining=None)
        case Downloading():
            fraction = event.done / event.total if event.total else None
            return _with(status, event.device, doing=f"downloading the {event.what}", fraction=fraction)
        case FrameStarted():
            doing = f"{event.project or f'job {event.job}'}, frame {event.frame}"
            return _with(status, event.device, doing=doing, fraction=None, remaining=None)
        case FrameProgress():
            return _with(
                status,
                event.device,
                fraction=event.fraction,
                remaining=event.remaining,
                memory_kib=event.memory_kib,
            )
        case FrameRendered():
            return _rendered(status, event)
        case FrameFailed():
            text = f"frame {event.frame} of job {event.job} failed: {event.reason}"
            return replace(update(status, Message(Level.ERROR, text)), failed=status.failed + 1)


def _rendered(status: Status, event: FrameRendered) -> Status:
    device = status.devices.get(event.device, DeviceStatus())
    done = _with(
        status,
        event.device,
        doing="next frame",
        fraction=None,
        remaining=None,
        rendered=device.rendered + 1,
        render_seconds=device.render_seconds + event.seconds,
    )
    return replace(done, last_image=event.image)


def _upload_trouble(status: Status, event: FrameRefused | UploadDelayed) -> Status:
    what = f"frame {event.frame} of job {event.job}"
    if isinstance(event, UploadDelayed):
        text = f"{what} is safe on disk, next upload in {duration(event.seconds)}: {event.reason}"
        return update(status, Message(Level.WARNING, text))
    changed = update(status, Message(Level.ERROR, f"{what} was not taken: {event.reason}"))
    return replace(changed, refused=status.refused + 1)


def waiting_words(event: Waiting) -> str:
    """`no work (next try in 4 min)`."""
    return event.reason if event.seconds is None else f"{event.reason} (next try in {duration(event.seconds)})"


def duration(seconds: float) -> str:
    """A time for people: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _with(status: Status, device: str, **changes: object) -> Status:
    before = status.devices.get(device, DeviceStatus())
    after = replace(before, **changes)  # type: ignore[arg-type]
    return replace(status, devices={**status.devices, device: after})
