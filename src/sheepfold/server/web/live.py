"""Live updates as server-sent events.

What many pages of one project watch is read once per process and sent to all of them: 200 open pages at 20 frames a
second cost the queries of one page and 200 small writes for each batch.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from sheepfold.server.core import events
from sheepfold.server.core.events import EventFact
from sheepfold.server.projects.permissions import visible_projects
from sheepfold.server.web.frame_data import FrameNews, FrameReader
from sheepfold.server.web.project_access import find_project

log = structlog.get_logger()

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

LOOK_SECONDS = 2.0  # claims and progress publish nothing; somebody watching sees them this late
PING_SECONDS = 20.0  # shorter than the patience of proxies
FRAMES_GAP_SECONDS = 0.25  # between two messages to the pages of a project
LISTS_GAP_SECONDS = 3.0  # between two messages to pages that read a whole list at each
TILE_KINDS = frozenset({"frame", "tile", "tiles", events.RELOAD.kind})  # told as frames, not as a change of the project
MAX_TOPICS = 200
BACKLOG = 50  # messages for one slow page before it is told to read everything anew
RELOAD = b"event: reload\ndata: {}\n\n"
PING = b": alive\n\n"


def _message(kind: str, data: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class ProjectFeed:
    """The pages of this process that watch one project, and the task that reads for them."""

    def __init__(self, project_id: int) -> None:
        self._project_id = project_id
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> asyncio.Queue[bytes]:
        """A queue that gets every message from now on."""
        page: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self._pages.add(page)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
            self._task.add_done_callback(_note_failure)
        return page

    def leave(self, page: asyncio.Queue[bytes]) -> bool:
        """True if nobody watches any more."""
        self._pages.discard(page)
        if not self._pages and self._task is not None:
            self._task.cancel()
        return not self._pages

    async def _watch(self) -> None:
        reader = await _in_thread(FrameReader, self._project_id)
        topic = f"project:{self._project_id}"
        async for facts in _gathered([topic], patience=LOOK_SECONDS, gap=FRAMES_GAP_SECONDS):
            if events.RELOAD in facts:
                self._send(RELOAD)
            for kind in sorted({fact.kind for fact in facts} - TILE_KINDS):
                self._send(_message("project", {"kind": kind}))
            if news := await _in_thread(_news, reader):
                self._send(_message("frames", news.as_json()))

    def _send(self, message: bytes) -> None:
        for page in self._pages:
            if page.full():
                _empty(page)
                page.put_nowait(RELOAD)
            else:
                page.put_nowait(message)


_feeds: dict[int, ProjectFeed] = {}
_thread = ThreadPoolExecutor(1, thread_name_prefix="live")  # one thread: one database connection


async def _in_thread(call: Callable[[Argument], Answer], argument: Argument) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(_thread, call, argument)


def _news(reader: FrameReader) -> FrameNews | None:
    close_old_connections()
    try:
        return reader.news()
    except DatabaseError as error:
        log.warning("frames not read, trying again", error=str(error))
        return None


def _note_failure(task: asyncio.Task[None]) -> None:
    """A task that nobody awaits would fail in silence."""
    if not task.cancelled() and (error := task.exception()):
        log.error("live updates ended", exc_info=error)


def _empty(page: asyncio.Queue[bytes]) -> None:
    while not page.empty():
        page.get_nowait()


async def project(request: HttpRequest, project_id: int | None = None, secret: str = "") -> HttpResponseBase:
    """The frames of a project as they change."""
    found = await sync_to_async(find_project)(request, project_id=project_id, secret=secret)
    if found is None:
        return HttpResponse(status=404)
    return _stream(_project_messages(found.pk))


async def _project_messages(project_id: int) -> AsyncIterator[bytes]:
    feed = _feeds.setdefault(project_id, ProjectFeed(project_id))
    page = feed.join()
    try:
        yield PING  # headers and a first byte go out at once
        while True:
            yield await _next(page)
    finally:
        if feed.leave(page):
            _feeds.pop(project_id, None)


async def _next(page: asyncio.Queue[bytes]) -> bytes:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PING_SECONDS):
            return await page.get()
    return PING


async def farm(request: HttpRequest) -> HttpResponseBase:
    """What the start page shows."""
    return await _topics(request, ["farm"])


async def mine(request: HttpRequest) -> HttpResponseBase:
    """The user's projects."""
    return await _topics(request, [])


async def machines(request: HttpRequest) -> HttpResponseBase:
    """Machines of the user, or all of them."""
    return await _topics(request, ["machines"])


async def _topics(request: HttpRequest, topics: list[str]) -> HttpResponseBase:
    user_topics = await sync_to_async(_topics_of)(request)
    if user_topics is None:
        return HttpResponse(status=404)
    return _stream(_kinds([*topics, *user_topics]))


def _topics_of(request: HttpRequest) -> list[str] | None:
    """The user's own topic and those of the newest projects that they see; None for nobody."""
    user = request.user
    if not user.is_authenticated:
        return None
    projects = visible_projects(user).order_by("-created_at").values_list("id", flat=True)[:MAX_TOPICS]
    return [f"user:{user.pk}", *(f"project:{project_id}" for project_id in projects)]


async def _kinds(topics: list[str]) -> AsyncIterator[bytes]:
    """Which kinds of things changed."""
    yield PING
    async for facts in _gathered(topics, patience=PING_SECONDS, gap=LISTS_GAP_SECONDS):
        messages = {RELOAD if fact == events.RELOAD else _message(_kind_of(fact), {}) for fact in facts}
        yield b"".join(sorted(messages)) or PING


async def _gathered(topics: list[str], *, patience: float, gap: float) -> AsyncIterator[set[EventFact]]:
    """What happened since the last time, each fact once; an empty set after `patience` seconds without any.

    At least `gap` seconds lie between two sets: however much happens, a page is told only so often.
    """
    facts: set[EventFact] = set()
    happened = asyncio.Event()
    collecting = asyncio.create_task(_collect(topics, facts, happened))
    collecting.add_done_callback(_note_failure)
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await happened.wait()
            happened.clear()
            gathered = facts.copy()
            facts.clear()
            yield gathered
            await asyncio.sleep(gap)
    finally:
        collecting.cancel()


async def _collect(topics: list[str], facts: set[EventFact], happened: asyncio.Event) -> None:
    async for fact in events.subscribe(topics):
        facts.add(fact)
        happened.set()


def _kind_of(fact: EventFact) -> str:
    area = fact.topic.partition(":")[0]
    return {"machine": "machines", "user": "project"}.get(area, area)


def _stream(messages: AsyncIterator[bytes]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(messages, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would keep the messages back
    return response
