"""What happens by itself, and how often. Every timer may run twice or late without harm."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connection

from sheepfold.server.core.clock import follow_database, now
from sheepfold.server.core.events import forget_events
from sheepfold.server.core.exclusive import exclusively
from sheepfold.server.core.throttle import forget_failures
from sheepfold.server.pipeline.endings import recover_tiles, reopen_projects, settle_retries
from sheepfold.server.pipeline.farm_numbers import write_numbers
from sheepfold.server.pipeline.finishing import finish_overlooked
from sheepfold.server.pipeline.heartbeats import expire_due
from sheepfold.server.pipeline.sampling import drop_stale, sample_results
from sheepfold.server.pipeline.tasks import requeue_lost, tidy_up

log = structlog.get_logger()

TICK = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Timer:
    """A call every so many seconds. `most_share`: of all time that it may take; a longer call is made less often."""

    seconds: float
    call: Callable[[datetime], object]
    most_share: float = 1.0


TIMERS = (
    Timer(2, lambda moment: expire_due(now=moment)),
    Timer(2, lambda moment: sample_results(now=moment)),
    Timer(60, lambda moment: drop_stale(now=moment)),
    Timer(5, lambda moment: settle_retries(now=moment)),
    Timer(5, lambda moment: reopen_projects()),
    Timer(5, lambda moment: finish_overlooked(now=moment), most_share=0.01),
    Timer(60, lambda moment: recover_tiles(now=moment)),
    Timer(5, lambda moment: write_numbers(now=moment), most_share=0.02),  # 0.3 s for 2,000,000 open tiles on SQLite
    Timer(60, lambda moment: requeue_lost(now=moment)),
    Timer(60, lambda moment: forget_events(now=moment)),
    Timer(600, lambda moment: forget_failures(now=moment)),
    Timer(3600, lambda moment: tidy_up()),
)


def start_timers() -> threading.Thread:
    """Run the timers in a thread of this process for as long as it lives and leads."""
    thread = threading.Thread(target=_run, name="timers", daemon=True)
    thread.start()
    return thread


def _run() -> None:
    while True:
        try:
            follow_database()
            with exclusively("timers") as mine:
                _lead(mine)
        except DatabaseError as error:  # the lock went with the connection: another process may lead now
            log.warning("timers not run, trying again", error=str(error))
            connection.close()
        except OSError as error:  # no lock can be had: the disk is full or cannot be written
            log.warning("timers not run, trying again", error=str(error))
        time.sleep(TICK)


def _lead(mine: bool) -> None:
    due = dict.fromkeys(TIMERS, 0.0)
    while mine:
        follow_database()
        run_due(due, time.monotonic())
        time.sleep(TICK)


def run_due(due: dict[Timer, float], moment: float) -> None:
    """Call each timer whose time has come, and note when it is due again. One that breaks does not stop the others."""
    for timer, at in due.items():
        if moment >= at:
            began = time.monotonic()
            _call(timer)
            due[timer] = moment + max(timer.seconds, (time.monotonic() - began) / timer.most_share)


def _call(timer: Timer) -> None:
    try:
        timer.call(now())
    except (OperationalError, InterfaceError, InternalError):
        raise  # the database itself: nothing else would work either
    except Exception:  # the top of a timer; the queue of jobs, for one, has a disk and a connection of its own
        log.exception("timer broke")
