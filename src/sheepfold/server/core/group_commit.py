"""Group commit: many requests, one transaction (ADR 3).

Callers hand a handler and a request to a database thread. The thread takes whatever has gathered, runs each
handler once over all its requests, commits once, and only then answers everybody. If a handler fails, all of it is
done again with a savepoint around each handler, and the one that fails is run for each request alone, so that one bad
request hurts nobody else. (Savepoints from the start are a sixth of the statements of a mixed group.)

Where many ask, groups begin a few milliseconds after each other, so that more gather: a group costs nearly as much for
three requests as for ten.

SQLite has one writer and gets one thread. On PostgreSQL half of a group's time is spent waiting for its server, so
there are two: with 512 machines 1,620 claims and completions a second instead of 1,020.
"""

import asyncio
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connection, transaction
from prometheus_client import Counter, Histogram

from sheepfold.server.core.clock import follow_database
from sheepfold.server.core.metrics import REQUEST_BUCKETS

log = structlog.get_logger()

GROUP_SIZE = Histogram(
    "sheepfold_group_requests", "Requests in one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
GROUP_SECONDS = Histogram(
    "sheepfold_group_commit_seconds", "From a group's first statement to its commit.", buckets=REQUEST_BUCKETS
)
GROUPS_APART = Counter("sheepfold_groups_apart", "Groups that could not be committed as one.")

THREADS = {"sqlite": 1, "postgresql": 2}
MAX_GROUP = 256  # requests in one transaction; larger groups gained nothing and made the slowest answer later
# From so many requests in a group on, as of late, groups begin at least PAUSE seconds after each other. Measured with
# 650 requests a second: half of the groups and two thirds of the CPU, and the 99th percentile stays where it was.
CROWD = 2.0
PAUSE = 0.015
ENOUGH = 32  # requests that wait for no more
LOOK_SECONDS = 0.003  # between two looks whether there are enough

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Handler: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]
Outcome: TypeAlias = Any  # what the handler returned for this request, or the exception it raised


@dataclass(frozen=True, slots=True)
class Piece:
    """One request waiting for its group."""

    handler: Handler
    request: Any
    answer: Callable[[Outcome], None]
    loop: asyncio.AbstractEventLoop | None = None  # where `answer` must be called; None: anywhere


class Pace:
    """When the next group may begin, over all threads of a process. Times in seconds, of any clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = -PAUSE
        self._usual_size = 1.0  # requests in a group, the last ones count most

    def next_start(self, now: float) -> float:
        """When a group that could begin now may begin."""
        with self._lock:
            crowded = self._usual_size >= CROWD
            self._began = max(now, self._began + PAUSE) if crowded else now
            return self._began

    def note(self, size: int) -> None:
        """A group of so many requests was gathered."""
        with self._lock:
            self._usual_size += (size - self._usual_size) / 8


class GroupCommit:
    """The database threads. `run` may be awaited from any event loop, `run_blocking` called from any thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Piece | None] = SimpleQueue()
        self._pace = Pace()
        self._threads = [
            threading.Thread(target=self._work, name=f"group-commit-{number}", daemon=True)
            for number in range(THREADS[connection.vendor])
        ]

    def start(self) -> None:
        """Start the database threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what was handed in before, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    async def run(self, handler: Callable[[Sequence[Request]], Sequence[Answer]], request: Request) -> Answer:
        """The handler's answer to this request, after its commit. Raises what the handler raised for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._queue.put(Piece(handler, request, partial(_settle, future), loop))
        return _unwrap(await future)  # type: ignore[no-any-return]

    def run_blocking(self, handler: Callable[[Sequence[Request]], Sequence[Answer]], request: Request) -> Answer:
        """The same for callers without an event loop."""
        answers: SimpleQueue[Outcome] = SimpleQueue()
        self._queue.put(Piece(handler, request, answers.put))
        return _unwrap(answers.get())  # type: ignore[no-any-return]

    def _work(self) -> None:
        with contextlib.suppress(DatabaseError):  # it is asked again with the first group
            follow_database()
        while (first := self._queue.get()) is not None:
            self._wait_for_company()
            pieces, stopping = self._gather(first)
            self._pace.note(len(pieces))
            try:
                commit(pieces)
            except Exception as error:  # the top of the thread: without it the whole process would answer nobody
                log.exception("group broke")
                connection.close()
                _deliver(pieces, [error] * len(pieces))
            if stopping:
                break
        connection.close()

    def _wait_for_company(self) -> None:
        until = self._pace.next_start(time.monotonic())
        while (left := until - time.monotonic()) > 0 and self._queue.qsize() < ENOUGH:
            time.sleep(min(left, LOOK_SECONDS))

    def _gather(self, first: Piece) -> tuple[list[Piece], bool]:
        pieces = [first]
        while len(pieces) < MAX_GROUP:
            try:
                piece = self._queue.get_nowait()
            except Empty:
                return pieces, False
            if piece is None:
                return pieces, True
            pieces.append(piece)
        return pieces, False


def commit(pieces: Sequence[Piece]) -> None:
    """Run all pieces in one transaction and answer them. If it cannot be committed, each gets its own."""
    started = time.perf_counter()
    try:
        outcomes = _in_one_transaction(pieces)
    except DatabaseError as error:
        GROUPS_APART.inc()
        log.warning("group not committed, each piece goes alone", pieces=len(pieces), error=str(error))
        outcomes = [_alone(piece) for piece in pieces]
    GROUP_SECONDS.observe(time.perf_counter() - started)
    GROUP_SIZE.observe(len(pieces))
    _deliver(pieces, outcomes)


def _deliver(pieces: Sequence[Piece], outcomes: Sequence[Outcome]) -> None:
    """Each event loop is woken once for all its answers. Woken once for each, it would take Python's lock in between,
    and those who were answered first would come back in many small groups."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[tuple[Piece, Outcome]]] = defaultdict(list)
    for piece, outcome in zip(pieces, outcomes, strict=True):
        if piece.loop is None:
            piece.answer(outcome)
        else:
            by_loop[piece.loop].append((piece, outcome))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed meanwhile has nobody waiting
            loop.call_soon_threadsafe(_answer_all, answers)


def _answer_all(answers: Sequence[tuple[Piece, Outcome]]) -> None:
    for piece, outcome in answers:
        piece.answer(outcome)


def _in_one_transaction(pieces: Sequence[Piece]) -> list[Outcome]:
    follow_database()
    try:
        return _together(pieces, _all_at_once)
    except _HandlerFailed:  # who is to hear of it turns out in savepoints
        return _together(pieces, _group_or_each)


class _HandlerFailed(Exception):
    """Nothing was committed. What fails at the commit or after it is never run again."""


def _together(pieces: Sequence[Piece], run: Callable[[Handler, list[Any]], Sequence[Outcome]]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    with transaction.atomic():
        _look_by_index()
        for handler, members in _by_handler(pieces).items():
            answers = run(handler, [pieces[index].request for index in members])
            outcomes.update(zip(members, answers, strict=True))
    return [outcomes[index] for index in range(len(pieces))]


def _all_at_once(handler: Handler, requests: list[Any]) -> Sequence[Outcome]:
    try:
        return handler(requests)
    except (OperationalError, InterfaceError, InternalError):
        raise
    except Exception as error:
        raise _HandlerFailed from error


def _look_by_index() -> None:
    """Every statement of the hot path finds few rows by an index. PostgreSQL knows nothing of a table's size until it
    was analysed: in a young farm it kept a plan that read all results for each check of a foreign key, 0.15 ms each
    at 10,000 results and growing. Only for this transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def _by_handler(pieces: Sequence[Piece]) -> dict[Handler, list[int]]:
    groups: dict[Handler, list[int]] = {}
    for index, piece in enumerate(pieces):
        groups.setdefault(piece.handler, []).append(index)
    return groups


def _group_or_each(handler: Handler, requests: list[Any]) -> Sequence[Outcome]:
    answer = _attempt(handler, requests)
    if not isinstance(answer, Exception):
        return answer  # type: ignore[no-any-return]
    if len(requests) == 1:
        return [answer]
    alone = [_attempt(handler, [request]) for request in requests]
    return [one if isinstance(one, Exception) else one[0] for one in alone]


def _attempt(handler: Handler, requests: list[Any]) -> Outcome:
    """The handler in a savepoint. Any failure is the caller's to hear, so all are caught: this is a thread's top."""
    try:
        with transaction.atomic():
            return handler(requests)
    except (OperationalError, InterfaceError, InternalError):
        raise  # the connection or the database itself (it may be read-only): the savepoint cannot be trusted
    except Exception as error:  # noqa: BLE001
        return error


def _alone(piece: Piece) -> Outcome:
    connection.close_if_unusable_or_obsolete()
    try:
        return _in_one_transaction([piece])[0]
    except DatabaseError as error:
        connection.close()  # the next piece opens a fresh one
        return error


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not future.done():  # the caller may have gone away
        future.set_result(outcome)


def _unwrap(outcome: Outcome) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
