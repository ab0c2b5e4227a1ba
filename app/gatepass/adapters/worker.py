"""The worker of one process: drains the outbox.

It wakes when a request of this process queued a mail, and looks by itself once a second for what another process left
behind or what is due again. Many workers share one outbox through leases (core/outbox.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from gatepass.adapters.mail import DeliveryFailed, Postman, Transact
from gatepass.core import outbox
from gatepass.core.errors import Unavailable
from gatepass.core.outbox import Claimed, State
from gatepass.core.unit import Unit

log = structlog.get_logger("gatepass.worker")

IDLE = 1.0
"""Seconds between two looks when nobody nudges."""
AT_ONCE = 20
"""Mails in flight per process."""


class Worker:
    """Delivers what is due with *postman*; *waits* is set whenever a mail was queued."""

    def __init__(self, transact: Transact, postman: Postman, waits: asyncio.Event) -> None:
        self._transact = transact
        self._postman = postman
        self._waits = waits

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background until the block ends; a delivery under way is given up and its lease runs out."""
        task = asyncio.create_task(self._run(), name="gatepass-worker")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            self._waits.clear()
            try:
                busy = await self.drain()
            except Unavailable as error:
                log.warning("outbox_out_of_reach", why=str(error))
                busy = 0
            except Exception:
                log.exception("worker_failed")
                busy = 0
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._waits.wait(), IDLE)

    async def drain(self) -> int:
        """Deliver everything due now, once; how many mails were tried."""
        mails: list[Claimed] = await self._transact(lambda unit: outbox.claim(unit, AT_ONCE))
        await asyncio.gather(*(self._deliver(claimed) for claimed in mails))
        return len(mails)

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            await self._postman.deliver(claimed)
        except DeliveryFailed as failure:
            await self._failed(claimed, str(failure), for_good=failure.for_good)
        except Exception as error:
            log.exception("delivery_failed", mail=str(claimed.id))
            await self._failed(claimed, type(error).__name__, for_good=False)
        else:

            async def sent(unit: Unit) -> None:
                await outbox.settle(unit, claimed, State.SENT)

            await self._transact(sent)
            log.info("mail_sent", mail=str(claimed.id), tries=claimed.tries)

    async def _failed(self, claimed: Claimed, why: str, *, for_good: bool) -> None:
        async def note(unit: Unit) -> int:
            if for_good:
                await outbox.settle(unit, claimed, State.REFUSED, why)
                return 0
            return await outbox.put_back(unit, claimed, why)

        again_in = await self._transact(note)
        log.warning("mail_not_sent", mail=str(claimed.id), why=why, tries=claimed.tries, again_in_ms=again_in)
