"""The facts that this process has seen: counted in memory, added to the database every few seconds and at the end.

Counting is one addition to a dictionary, so that a rotation can be counted and stay one statement. A process that is
killed loses what it has not written, FLUSH_EVERY at most; one whose database is away keeps counting and writes later.
Where the outcome of a commit is unknown the same few may be added twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from gatepass.adapters.mail import Transact
from gatepass.core import daily_counts, key_uses
from gatepass.core.errors import Unavailable
from gatepass.core.facts import Fact
from gatepass.core.schema import DAY
from gatepass.core.unit import Caller

log = structlog.get_logger("gatepass")

FLUSH_EVERY = 5.0
"""Seconds between two writes of what was counted."""
MOST_USES = 5_000
"""Different uses of keys that are remembered between two writes: callers may call themselves anything."""
GRACE = 1.5
"""Seconds that the last write may take when the process is told to stop."""


class KeyUses:
    """When API keys were used, and by what: one addition to a dictionary, written with the counts."""

    def __init__(self) -> None:
        self._unwritten: dict[key_uses.Use, int] = {}

    def note(self, used: tuple[UUID, UUID], caller: Caller, now: int) -> None:
        """*caller* used that team's key at *now* (epoch ms)."""
        use = (*used, key_uses.agent_of(caller))
        if use in self._unwritten or len(self._unwritten) < MOST_USES:
            self._unwritten[use] = now

    async def write(self, transact: Transact) -> None:
        """Add to the database what is not written yet. Raises Unavailable, and keeps it then."""
        if not self._unwritten:
            return
        taken, self._unwritten = self._unwritten, {}
        try:
            await transact(lambda unit: key_uses.add(unit, taken))
        except BaseException:
            self._unwritten = taken | self._unwritten
            raise


class Tally:
    """Counts facts, by team and by the day of the instant at which they happened."""

    def __init__(self) -> None:
        self._unwritten: defaultdict[tuple[int, UUID, Fact], int] = defaultdict(int)
        self._written: Counter[Fact] = Counter()
        self.keys = KeyUses()

    def count(self, fact: Fact, team_id: UUID, now: int) -> None:
        """*fact* happened to that team at *now* (epoch ms), for good."""
        self._unwritten[now - now % DAY, team_id, fact] += 1

    def count_all(self, facts: Iterable[tuple[Fact, UUID]], now: int) -> None:
        """The same for all that one transaction did."""
        for fact, team_id in facts:
            self.count(fact, team_id, now)

    def totals(self) -> Counter[Fact]:
        """How often each fact happened in this process since it started; only ever grows."""
        totals = self._written.copy()
        for (_, _, fact), times in self._unwritten.items():
            totals[fact] += times
        return totals

    async def write(self, transact: Transact) -> None:
        """Add to the database what is not written yet. Raises Unavailable, and keeps it then."""
        if not self._unwritten:
            return
        taken, self._unwritten = self._unwritten, defaultdict(int)
        try:
            await transact(lambda unit: daily_counts.add(unit, taken))
        except BaseException:
            for key, times in taken.items():
                self._unwritten[key] += times
            raise
        for (_, _, fact), times in taken.items():
            self._written[fact] += times

    @asynccontextmanager
    async def writing(self, transact: Transact) -> AsyncIterator[None]:
        """Write in the background until the block ends, and once more then; a write under way is given time to finish."""
        ends = asyncio.Event()
        task = asyncio.create_task(self._write_until(ends, transact), name="gatepass-tally")
        try:
            yield
        finally:
            ends.set()
            await asyncio.wait({task}, timeout=GRACE)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _write_until(self, ends: asyncio.Event, transact: Transact) -> None:
        while not ends.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ends.wait(), FLUSH_EVERY)
            await self._try_to_write(transact)

    async def _try_to_write(self, transact: Transact) -> None:
        try:
            await self.write(transact)
            await self.keys.write(transact)
        except Unavailable as error:
            log.warning("counts_not_written", why=str(error))
        except Exception as error:
            log.error("counts_not_written", why=type(error).__name__)
