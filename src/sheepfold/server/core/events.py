"""What open pages follow.

Writers add rows in their transaction; one poller per process reads them for all subscribers.

Topics: `project:<id>`, `machines`, `machine:<id>`, `farm`, `user:<id>`.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, connection
from django.db.models import Max, Q

from sheepfold.server.core.bulk import insert_rows
from sheepfold.server.core.clock import now
from sheepfold.server.core.models import Event

log = structlog.get_logger()

TICK = 0.5  # seconds between two looks
PAGE = 1000  # events in one look; what is beyond comes with the next
GAP_LIFE = timedelta(seconds=30)  # a number that did not appear by then belongs to a rolled-back transaction
KEPT = timedelta(minutes=10)
BACKLOG = 200  # events that wait for one slow subscriber before it is told to reload instead


@dataclass(frozen=True, slots=True)
class EventFact:
    """Something happened to `topic`. `kind` and `reference` say what, e.g. `frame` and `12`."""

    topic: str
    kind: str
    reference: str = ""


QUIET = EventFact("", "quiet")  # nothing happened for a while: time for a sign of life
RELOAD = EventFact("", "reload")  # things may have happened unseen: read everything anew


def publish(*, topic: str, kind: str, reference: str = "") -> None:
    """Tell whoever follows the topic, once the caller's transaction is committed."""
    Event.objects.create(topic=topic, kind=kind, reference=reference)


def publish_many(*, facts: Sequence[EventFact], now: datetime) -> None:
    """The same for many at once."""
    rows = [(fact.topic, fact.kind, fact.reference, now) for fact in facts]
    insert_rows(Event, ("topic", "kind", "reference", "created_at"), rows)


def forget_events(*, now: datetime) -> int:
    """Delete what every page has seen long ago."""
    return Event.objects.filter(created_at__lt=now - KEPT).delete()[0]


class EventReader:
    """Reads each committed event once, in one query a call.

    PostgreSQL hands out numbers before it commits, so a lower number may appear after a higher one; the
    numbers that were skipped are asked for again until they are too old.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._gaps: dict[int, datetime] = {}

    def read(self, *, now: datetime) -> list[EventFact]:
        """What was committed since the last call; the first notes where to begin. Raises DatabaseError."""
        if self._last is None:
            self._last = Event.objects.aggregate(last=Max("id"))["last"] or 0
            return []
        self._gaps = {number: seen for number, seen in self._gaps.items() if seen > now - GAP_LIFE}
        wanted = Q(id__gt=self._last) | Q(id__in=list(self._gaps)) if self._gaps else Q(id__gt=self._last)
        rows = list(Event.objects.filter(wanted).order_by("id").values_list("id", "topic", "kind", "reference")[:PAGE])
        for number, *_ in rows:
            self._last = self._note(number, self._last, now)
        return [EventFact(topic, kind, reference) for _, topic, kind, reference in rows]

    def _note(self, number: int, last: int, now: datetime) -> int:
        self._gaps.pop(number, None)
        self._gaps.update(dict.fromkeys(range(max(last + 1, number - PAGE), number), now))
        return max(last, number)


@dataclass(eq=False, slots=True)
class _Subscriber:
    topics: frozenset[str]
    queue: asyncio.Queue[EventFact] = field(default_factory=lambda: asyncio.Queue(BACKLOG))

    def tell(self, fact: EventFact) -> None:
        if not self.queue.full():
            self.queue.put_nowait(fact)
            return
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(RELOAD)


class EventHub:
    """The subscribers of one process and the poller that serves them; it runs only while there are any."""

    def __init__(self) -> None:
        self._by_topic: defaultdict[str, set[_Subscriber]] = defaultdict(set)
        self._reading = False
        self._poller: asyncio.Task[None] | None = None

    async def subscribe(self, topics: Iterable[str], ping: float | None = None) -> AsyncGenerator[EventFact, None]:
        """First RELOAD, then every event of these topics that is committed after it.

        With `ping`, QUIET after that many silent seconds.
        """
        subscriber = _Subscriber(frozenset(topics))
        self._add(subscriber)
        try:
            while True:
                yield await _next(subscriber.queue, ping)
        finally:
            self._remove(subscriber)

    def _add(self, subscriber: _Subscriber) -> None:
        for topic in subscriber.topics:
            self._by_topic[topic].add(subscriber)
        if self._reading:
            subscriber.tell(RELOAD)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())

    def _remove(self, subscriber: _Subscriber) -> None:
        for topic in subscriber.topics:
            self._by_topic[topic].discard(subscriber)
            if not self._by_topic[topic]:
                del self._by_topic[topic]
        if not self._by_topic and self._poller is not None:
            self._poller.cancel()
            self._poller = None
            self._reading = False

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        reader = EventReader()
        with ThreadPoolExecutor(1, thread_name_prefix="events") as thread:  # one thread: one database connection
            try:
                while True:
                    self._deliver(await loop.run_in_executor(thread, _read, reader))
                    await asyncio.sleep(TICK)
            finally:
                thread.submit(_disconnect)

    def _deliver(self, facts: list[EventFact] | None) -> None:
        if facts is None:
            return
        if not self._reading:
            self._reading = True
            self._tell_all(RELOAD)
        for fact in facts:
            for subscriber in self._by_topic.get(fact.topic, ()):
                subscriber.tell(fact)

    def _tell_all(self, fact: EventFact) -> None:
        for subscriber in {one for members in self._by_topic.values() for one in members}:
            subscriber.tell(fact)


def _read(reader: EventReader) -> list[EventFact] | None:
    try:
        return reader.read(now=now())
    except DatabaseError as error:
        log.warning("events not read, trying again", error=str(error))
        connection.close()
        return None


def _disconnect() -> None:
    connection.close()  # that of the thread which calls this


async def _next(queue: asyncio.Queue[EventFact], ping: float | None) -> EventFact:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ping):
            return await queue.get()
    return QUIET


_hub = EventHub()
subscribe = _hub.subscribe
