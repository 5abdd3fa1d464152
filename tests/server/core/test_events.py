"""Pages follow topics; one reader serves them all."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from sheepfold.server.core.clock import now
from sheepfold.server.core.events import (
    BACKLOG,
    GAP_LIFE,
    KEPT,
    QUIET,
    RELOAD,
    EventFact,
    EventHub,
    EventReader,
    forget_events,
    publish,
)
from sheepfold.server.core.models import Event


def write(*references: str, topic: str = "project:7") -> None:
    for reference in references:
        publish(topic=topic, kind="frame", reference=reference)


def frames(*references: str, topic: str = "project:7") -> list[EventFact]:
    return [EventFact(topic, "frame", reference) for reference in references]


@pytest.mark.django_db
def test_the_first_look_notes_where_to_begin_and_later_ones_see_each_event_once() -> None:
    reader = EventReader()
    write("1")
    assert reader.read(now=now()) == []
    write("2", "3")
    assert reader.read(now=now()) == frames("2", "3")
    assert reader.read(now=now()) == []


@pytest.mark.django_db
def test_a_look_is_one_query_however_many_events_there_are() -> None:
    reader = EventReader()
    reader.read(now=now())
    write(*map(str, range(50)))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(reader.read(now=now())) == 50
    assert len(queries) == 1


@pytest.mark.django_db
def test_a_number_that_is_committed_after_a_higher_one_is_still_seen() -> None:
    reader = EventReader()
    write("1")
    reader.read(now=now())
    last = Event.objects.get().pk
    Event.objects.create(pk=last + 2, topic="project:7", kind="frame", reference="high")
    assert reader.read(now=now()) == frames("high")
    Event.objects.create(pk=last + 1, topic="project:7", kind="frame", reference="low")
    assert reader.read(now=now()) == frames("low")
    assert reader.read(now=now()) == []


@pytest.mark.django_db
def test_a_number_of_a_rolled_back_transaction_is_not_waited_for_for_ever() -> None:
    reader = EventReader()
    write("1")
    moment = now()
    reader.read(now=moment)
    last = Event.objects.get().pk
    Event.objects.create(pk=last + 2, topic="project:7", kind="frame", reference="high")
    reader.read(now=moment)
    Event.objects.create(pk=last + 1, topic="project:7", kind="frame", reference="too late")
    assert reader.read(now=moment + GAP_LIFE) == []


@pytest.mark.django_db
def test_an_event_of_a_transaction_that_failed_never_was() -> None:
    reader = EventReader()
    reader.read(now=now())
    with transaction.atomic():
        write("1")
        transaction.set_rollback(True)
    assert reader.read(now=now()) == []


@pytest.mark.django_db
def test_events_are_forgotten_when_every_page_has_seen_them() -> None:
    write("old", "new")
    Event.objects.filter(reference="old").update(created_at=now() - KEPT - timedelta(seconds=1))
    assert forget_events(now=now()) == 1
    assert Event.objects.get().reference == "new"


def follow(
    hub: EventHub,
    topics: list[str],
    count: int,
    after_reload: Callable[[], None] | None = None,
    ping: float | None = None,
) -> Coroutine[None, None, list[EventFact]]:
    """The first `count` facts of these topics; `after_reload` is called once the subscription stands."""

    async def collect() -> list[EventFact]:
        facts: list[EventFact] = []
        async for fact in hub.subscribe(topics, ping):
            facts.append(fact)
            if fact == RELOAD and after_reload is not None:
                await sync_to_async(_apart)(after_reload)
            if len(facts) == count:
                return facts
        return facts

    return collect()


def _apart(call: Callable[[], None]) -> None:
    """In a thread of its own, with a database connection of its own."""
    call()
    connection.close()


@pytest.fixture
def hub(transactional_db: None) -> EventHub:
    return EventHub()


def test_a_subscriber_reloads_once_and_then_gets_the_events_of_its_topics_only(hub: EventHub) -> None:
    def happen() -> None:
        write("other", topic="project:8")
        write("mine")
        write("machine", topic="machines")

    facts = asyncio.run(follow(hub, ["project:7", "machines"], 3, happen))
    assert facts == [RELOAD, *frames("mine"), *frames("machine", topic="machines")]


def test_two_subscribers_of_one_topic_both_get_its_events(hub: EventHub) -> None:
    async def both() -> list[list[EventFact]]:
        first = asyncio.create_task(follow(hub, ["project:7"], 2))
        second = asyncio.create_task(follow(hub, ["project:7"], 2, lambda: write("1")))
        return list(await asyncio.gather(first, second))

    assert asyncio.run(both()) == [[RELOAD, *frames("1")]] * 2


def test_silence_is_broken_by_a_sign_of_life(hub: EventHub) -> None:
    facts = asyncio.run(follow(hub, ["farm"], 3, ping=0.05))
    assert QUIET in facts


def test_a_subscriber_that_does_not_keep_up_is_told_to_reload(hub: EventHub) -> None:
    async def fall_behind() -> list[EventFact]:
        events = hub.subscribe(["project:7"])
        await anext(events)
        hub._deliver(frames(*map(str, range(BACKLOG + 1))))
        late = [await anext(events)]
        await events.aclose()
        return late

    assert asyncio.run(fall_behind()) == [RELOAD]


def test_nobody_listening_means_nobody_polls(hub: EventHub) -> None:
    async def come_and_go() -> asyncio.Task[None] | None:
        events = hub.subscribe(["farm"])
        await anext(events)
        await events.aclose()
        return hub._poller

    assert asyncio.run(come_and_go()) is None
