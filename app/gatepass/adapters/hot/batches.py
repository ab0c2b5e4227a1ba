"""Requests of one kind, gathered while others are under way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import asyncpg
import structlog

from gatepass.core.errors import Unavailable

log = structlog.get_logger("gatepass")

MOST_AT_ONCE = 64
"""Requests in one statement."""
PATIENCE = 0.005
"""Seconds for a statement, in which whoever comes meanwhile waits for the next one; after that they go beside it."""
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was lost half-way through a message
    sqlite3.Error,
    OSError,
    TimeoutError,
)

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
G = TypeVar("G")


class Batches(Generic[K, A, G]):
    """Gathers requests and has *serve* answer many at once, by the key of each.

    Of several requests under one key in a batch the first is served; where the kind *shares*, its answer is everyone's. A
    batch that waits for rows is put in *order*, so that two batches never lock crosswise.

    One statement at a time makes the largest batches, and they are what a request costs least in. Only behind one that
    takes long, as for a row that someone else has locked, another of *lanes* opens.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[A]], Awaitable[Mapping[K, G]]],
        lanes: int,
        *,
        order: Callable[[K], int] | None = None,
        shares: bool = False,
    ) -> None:
        self._serve = serve
        self._order = order
        self._shares = shares
        self._most_lanes = lanes
        self._late = 0
        self._lanes: set[asyncio.Task[None]] = set()
        self._at_work = 0
        self._waiting: deque[tuple[K, A, asyncio.Future[G | None]]] = deque()

    async def put(self, key: K, ask: A) -> G | None:
        """Wait for the answer to *ask*; None when the statement had none, or failed.

        Raises Unavailable where *serve* does: nobody can say whether the statement was committed, and it matters.
        """
        answer: asyncio.Future[G | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, ask, answer))
        self._open_lane()
        return await answer

    def _open_lane(self) -> None:
        """For those who wait, unless they are soon taken along."""
        if self._waiting and self._late == self._at_work < self._most_lanes:
            self._at_work += 1
            lane = asyncio.create_task(self._drive())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def _drive(self) -> None:
        """Serve whoever waits, batch after batch, until nobody does or another lane took over."""
        try:
            while self._waiting and self._at_work - self._late == 1:
                batch = self._take()
                if self._most_lanes == 1:
                    await self._serve_batch(batch)
                else:
                    await self._serve_in_time(batch)
        finally:
            self._at_work -= 1

    async def _serve_in_time(self, batch: dict[K, tuple[A, list[asyncio.Future[G | None]]]]) -> None:
        late = False

        def be_late() -> None:
            nonlocal late
            late = True
            self._late += 1
            self._open_lane()

        watch = asyncio.get_running_loop().call_later(PATIENCE, be_late)
        try:
            await self._serve_batch(batch)
        finally:
            watch.cancel()
            self._late -= late

    def _take(self) -> dict[K, tuple[A, list[asyncio.Future[G | None]]]]:
        """The next batch: one request per key."""
        batch: dict[K, tuple[A, list[asyncio.Future[G | None]]]] = {}
        while self._waiting and len(batch) < MOST_AT_ONCE:
            key, ask, answer = self._waiting.popleft()
            if key not in batch:
                batch[key] = ask, [answer]
            elif self._shares:
                batch[key][1].append(answer)
            else:
                _settle(answer, None)  # a parallel use of one token: the long way finds the first one's successor
        order = self._order
        return {key: batch[key] for key in sorted(batch, key=order)} if order and len(batch) > 1 else batch

    async def _serve_batch(self, batch: dict[K, tuple[A, list[asyncio.Future[G | None]]]]) -> None:
        answers: Mapping[K, G] = {}
        try:
            answers = await self._serve([ask for ask, _ in batch.values()])
        except Unavailable as error:
            for _, waiting in batch.values():
                for answer in waiting:
                    if not answer.done():
                        answer.set_exception(error)
        except FAILURES as error:
            log.warning("hot_statement_failed", why=type(error).__name__)
        except Exception:
            log.exception("hot_statement_failed")
        finally:
            for key, (_, waiting) in batch.items():
                for answer in waiting:
                    _settle(answer, answers.get(key))

    async def finish(self) -> None:
        """Until nothing is under way."""
        while self._lanes:
            await asyncio.wait(self._lanes)


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)
