"""The worker of one process: drains the outbox, and throws away what has died.

Mails of this process come straight from the commit that queued them while there is room (core/handover.py). For what found
none, what another process left behind or what is due again it looks once a second, and when it is nudged. Many workers
share one outbox through leases (core/outbox.py), and one purge through small batches (core/purge.py).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from gatepass.adapters.hot.batches import Batches
from gatepass.adapters.mail import DeliveryFailed, Postman, Transact
from gatepass.core import outbox, purge, user_deletion
from gatepass.core.errors import Unavailable
from gatepass.core.handover import Handover
from gatepass.core.mint import Mint
from gatepass.core.outbox import Claimed, State
from gatepass.core.unit import Unit

log = structlog.get_logger("gatepass.worker")

IDLE = 1.0
"""Seconds between two looks when nobody nudges."""
AT_ONCE = 40
"""Mails in flight per process."""
CLAIMED_AT_ONCE = AT_ONCE // 2
"""Of these, at most so many are kept free for mails that are looked for, while the look lasts."""
GRACE = 5.0
"""Seconds that deliveries under way may still take when the process is told to stop."""
INSISTS = 40.0
"""Seconds to go on telling a database that is away what became of a mail; well within what is left of its lease."""
PURGE_EVERY = 300.0
"""Seconds between two purges, half of it more or less: processes started together drift apart."""
BATCHES = 20
"""Batches of one kind per purge; the rest waits for the next one."""
BREATH = 0.05
"""Seconds between two batches, for others who want to write."""


class Worker:
    """Delivers what is due with *postman*, and what comes by *handover*; *waits* is set when there is more to claim."""

    def __init__(
        self,
        transact: Transact,
        postman: Postman,
        waits: asyncio.Event,
        *,
        handover: Handover | None = None,
        mint: Mint | None = None,
    ) -> None:
        self._transact = transact
        self._postman = postman
        self._waits = waits
        self._handover = handover or Handover()
        self._mint = mint or Mint()
        self._done: Batches[UUID, Claimed, bool] = Batches(self._settle, lanes=1)
        self._stopping = False
        self._walked_to = purge.BEFORE_ALL

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background until the block ends.

        Deliveries under way then get a few seconds to finish; one that does not is given up and its lease runs out.
        """
        self._stopping = False
        delivering = asyncio.create_task(self._deliver_forever(), name="gatepass-outbox")
        purging = asyncio.create_task(self._purge_forever(), name="gatepass-purge")
        try:
            yield
        finally:
            self._stopping = True
            self._handover.close()
            self._waits.set()
            purging.cancel()
            await asyncio.wait({delivering}, timeout=GRACE)
            delivering.cancel()
            await asyncio.gather(delivering, purging, return_exceptions=True)

    # Mail.

    async def drain(self) -> int:
        """Deliver everything due now, once; how many mails were tried."""
        mails = await self._claim(AT_ONCE)
        await asyncio.gather(*(self._deliver(claimed) for claimed in mails))
        return len(mails)

    async def _deliver_forever(self) -> None:
        """Keep up to AT_ONCE mails in flight, so that a slow one holds up none of the others."""
        async with asyncio.TaskGroup() as deliveries:

            def begin(claimed: Claimed) -> None:
                deliveries.create_task(self._deliver(claimed)).add_done_callback(self._landed)

            self._handover.open(AT_ONCE, begin)
            while not self._stopping:
                self._waits.clear()
                mails = []
                if room := self._handover.reserve(CLAIMED_AT_ONCE):
                    with _carrying_on("outbox"):
                        mails = await self._claim(room)
                    self._handover.release(room - len(mails))
                for claimed in mails:
                    begin(claimed)
                if not mails and not self._stopping:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._waits.wait(), IDLE)

    def _landed(self, _: asyncio.Task[None]) -> None:
        was_full = self._handover.places <= 0
        self._handover.release()
        if was_full:
            self._waits.set()

    async def _claim(self, most: int) -> list[Claimed]:
        mails: list[Claimed] = await self._transact(lambda unit: outbox.claim(unit, most))
        return mails

    async def _deliver(self, claimed: Claimed) -> None:
        """Try one mail and write down what became of it; raises nothing."""
        if not claimed.delivery:
            await self._done.put(claimed.id, claimed)
            return
        try:
            await self._postman.deliver(claimed)
        except DeliveryFailed as failure:
            await self._failed(claimed, str(failure), for_good=failure.for_good)
        except Exception as error:
            log.error("postman_failed", mail=str(claimed.id), why=type(error).__name__, where=_where(error))
            await self._failed(claimed, type(error).__name__, for_good=False)
        else:
            await self._done.put(claimed.id, claimed)
            log.info("mail_sent", mail=str(claimed.id), tries=claimed.tries)

    async def _settle(self, done: Sequence[Claimed]) -> Mapping[UUID, bool]:
        """Write down what was sent, and throw the decoys away: in one transaction whatever was done meanwhile."""
        sent = [claimed for claimed in done if claimed.delivery]
        decoys = [claimed for claimed in done if not claimed.delivery]

        async def work(unit: Unit) -> None:
            await outbox.settle(unit, sent, State.SENT)
            await outbox.settle(unit, decoys, State.DISCARDED)

        await self._insist(work)
        return {}

    async def _failed(self, claimed: Claimed, why: str, *, for_good: bool) -> None:
        if for_good:
            await self._insist(lambda unit: outbox.settle(unit, [claimed], State.REFUSED, why))
            log.warning("mail_refused", mail=str(claimed.id), why=why, tries=claimed.tries)
        else:
            again_in = await self._insist(lambda unit: outbox.put_back(unit, claimed, why))
            log.warning("mail_not_sent", mail=str(claimed.id), why=why, tries=claimed.tries, again_in_ms=again_in)

    async def _insist(self, work: Callable[[Unit], Awaitable[Any]]) -> Any:
        """Run *work* in a transaction, again and again while the database is away: a mail that has left but is not
        written down as sent would leave twice. None when the database stayed away.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + INSISTS
        while True:
            with _carrying_on("settling"):
                return await self._transact(work)
            if loop.time() >= until:
                return None
            await asyncio.sleep(IDLE)

    # Purge.

    async def sweep(self) -> int:
        """Delete what has died, in small batches; how many rows. What is left over goes next time."""
        gone = 0
        for rule in purge.RULES:
            gone += await self._in_batches(partial(purge.batch, rule=rule), purge.BATCH)
        gone += await self._in_batches(user_deletion.purge_users, user_deletion.PURGED_AT_ONCE)
        return gone + await self._purge_sessions()

    async def _in_batches(self, delete: Callable[[Unit], Awaitable[int]], most: int) -> int:
        """Let *delete* take up to *most* rows at a time, until it finds fewer."""
        gone = 0
        for _ in range(BATCHES):
            deleted: int = await self._transact(delete)
            gone += deleted
            if deleted < most:
                break
            await asyncio.sleep(BREATH)
        return gone

    async def _purge_sessions(self) -> int:
        """Walk on from where the last purge stopped, and from the start again after the end."""
        gone = 0
        for _ in range(BATCHES):
            walked: purge.Walked = await self._transact(partial(purge.walk_sessions, after=self._walked_to))
            gone += walked.deleted
            self._walked_to = walked.last or purge.BEFORE_ALL
            if walked.last is None:
                break
            await asyncio.sleep(BREATH)
        return gone

    async def _purge_forever(self) -> None:
        while True:
            await asyncio.sleep(PURGE_EVERY * (0.5 + self._mint.fraction()))
            with _carrying_on("purge"):
                if gone := await self.sweep():
                    log.info("purged", rows=gone)


@contextmanager
def _carrying_on(doing: str) -> Iterator[None]:
    """Log what goes wrong, and go on: a worker outlives every outage."""
    try:
        yield
    except Unavailable as error:
        log.warning("database_out_of_reach", doing=doing, why=str(error))
    except Exception as error:
        log.error("worker_failed", doing=doing, why=type(error).__name__, where=_where(error))


def _where(error: BaseException) -> str:
    """File and line of the failure. Its text is never logged, for it may quote a mail."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
