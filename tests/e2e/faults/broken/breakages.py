"""One way to break a farm for each scenario: what the scenario was made to find. Besides, a farm whose clock is wrong,
and one of the next version."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any

MINUTES_FAST = 10


@dataclass(frozen=True)
class Breakage:
    """What is done to a module as soon as it was imported."""

    module: str
    change: Callable[[ModuleType], None]


def _replace(name: str, value: Any) -> Callable[[ModuleType], None]:
    def change(module: ModuleType) -> None:
        assert hasattr(module, name), f"{module.__name__} has no {name} to break"
        setattr(module, name, value)

    return change


def _owners_pay_twice(module: ModuleType) -> None:
    rows = module._ledger_rows

    def doubled(*arguments: Any) -> Any:
        earned, spent = rows(*arguments)
        return earned, (*spent[:2], spent[2] * 2, *spent[3:])

    _replace("_ledger_rows", doubled)(module)


def _handed_out_without_a_mark(module: ModuleType) -> None:
    _replace("_TAKE", module._TAKE.replace("SET status = %s", "SET status = %s * 0"))(module)


def _pieces_overwrite_each_other(module: ModuleType) -> None:
    data = module._Reader._data

    def from_the_start(reader: Any, *arguments: Any) -> None:
        if reader._file is not None:
            reader._file.seek(0)
        data(reader, *arguments)

    module._Reader._data = from_the_start


def _accepted_tokens_are_forgotten(module: ModuleType) -> None:
    known = module._known_status

    def forgetful(upload: Any, found: Any) -> Any:
        is_accepted = found.lease.end == module.LeaseEnd.ACCEPTED
        return module.UploadStatus.SESSION_DISABLED if is_accepted else known(upload, found)

    _replace("_known_status", forgetful)(module)


def _fast(module: ModuleType) -> None:
    """The clock of this machine is wrong: `core.clock` is the only place that reads it."""

    class Fast(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Fast":
            moment = datetime.now(tz) + timedelta(minutes=MINUTES_FAST)
            return cls.fromtimestamp(moment.timestamp(), tz)

    _replace("datetime", Fast)(module)


BREAKAGES = {
    "steady": Breakage("sheepfold.server.results.actions", _owners_pay_twice),
    "class-room": Breakage("sheepfold.server.frames.states", _handed_out_without_a_mark),
    "outage": Breakage("sheepfold.server.pipeline.logins", _replace("log_out", lambda hashes: [None] * len(hashes))),
    "poisoned": Breakage("sheepfold.server.frames.actions", _replace("record_failure", lambda **_: 0)),
    "broken-lab": Breakage("sheepfold.server.pipeline.endings", _replace("OWNERS_TO_DISABLE", 99)),
    "cheats": Breakage("sheepfold.server.pipeline.sampling", _replace("sample_results", lambda *, now: 0)),
    "slow-links": Breakage("sheepfold.server.node_api.multipart", _pieces_overwrite_each_other),
    "vanishing": Breakage("sheepfold.server.pipeline.heartbeats", _replace("expire_due", lambda *, now: 0)),
    "clocks-off": Breakage("sheepfold.server.results.points", _replace("believable_rendertime", lambda said, _: said)),
    "stutter": Breakage("sheepfold.server.pipeline.uploads", _accepted_tokens_are_forgotten),
    "tomorrow": Breakage("sheepfold.server.settings", lambda module: module.INSTALLED_APPS.append("tomorrow")),
    "fast clock": Breakage("sheepfold.server.core.clock", _fast),
}
