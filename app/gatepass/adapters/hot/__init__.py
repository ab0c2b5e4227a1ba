"""The hot statements: many rotations, look-ups, receipts or exchanges in one statement and one commit.

Rotating and verifying is what this server does all day, and every sign-in begins with an exchange or a code, so their
fast paths skip the pool, the transaction and the query builder: the compare-and-set of core/rotation.py, the look-up of
core/access_tokens.py, the record and first exchange of core/sign_in_tokens.py, the code and the guess of core/otp.py go
to the driver itself, in autocommit, one round trip each. Requests that arrive while a statement is under way share the
next one. Nothing waits for company: an idle lane starts at once with whoever is there.

This is the second place that may commit, and the only other one. Each caller is answered for itself, after the commit
that holds its rotation; whoever the statement did not match goes the long way, through the table of core/rotation.py. So
does everyone when the statement fails: rotating again is safe by that table's second row, exchanging again while the
session is unused, and looking again always is. Asking for a code or guessing one again is not, so where nobody can say
whether such a statement was committed, its callers are told to come back (Unavailable).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from gatepass.adapters.database import GOODBYE, Database
from gatepass.adapters.hot.batches import Batches
from gatepass.adapters.hot.driver import Driver, Found, Receipt
from gatepass.adapters.hot.postgres import Postgres
from gatepass.adapters.hot.sqlite import Sqlite
from gatepass.core.otp import Asker
from gatepass.core.otp_shared import Asked, Guess, Judged
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant
from gatepass.core.sign_in_tokens import Redemption, Vouching

LANES = 2
"""Statements of one kind under way at once, where the first takes long (PostgreSQL); SQLite has one writer and reader."""


class Hot:
    """Batches rotations and look-ups onto the database behind *database*."""

    def __init__(self, database: Database) -> None:
        self._driver: Driver = Sqlite(database) if database.is_sqlite else Postgres(database)
        lanes = 1 if database.is_sqlite else LANES
        self._rotations: Batches[UUID, Ask, Grant] = Batches(self._driver.rotate, lanes, order=_by_id)
        self._receipts: Batches[UUID, Receipt, bool] = Batches(self._driver.note, lanes, order=_by_id, shares=True)
        self._looks: Batches[UUID, UUID, Found] = Batches(self._driver.look, lanes, order=_by_id, shares=True)
        self._vouchings: Batches[str, Vouching, bool] = Batches(self._driver.vouch, lanes)
        self._redemptions: Batches[str, Redemption, Grant] = Batches(self._driver.redeem, lanes)
        self._askers: Batches[bytes, Mapping[str, Any], Asker] = Batches(self._driver.meet, lanes, shares=True)
        self._asked: Batches[str, Asked, bool] = Batches(self._driver.begin, lanes)
        self._recipients: Batches[UUID, UUID, str] = Batches(self._driver.recipients, lanes, shares=True)
        self._guesses: Batches[str, Guess, Judged] = Batches(self._driver.judge, lanes)

    async def rotate(self, ask: Ask) -> Grant | None:
        """The next generation's grant, committed; None for whatever needs the long way. Raises nothing of the database."""
        return await self._rotations.put(ask.session_id, ask)

    async def look(self, session_id: UUID) -> Found | None:
        """A session and its user as they are now; None where the long way should look."""
        return await self._looks.put(session_id, session_id)

    async def note(self, receipt: Receipt) -> bool:
        """As `sessions.note_receipt`, committed; False where the long way should write it."""
        return await self._receipts.put(receipt.session_id, receipt) or False

    async def vouch(self, record: Vouching) -> bool:
        """Whether the sign-in token is recorded, committed; False where the long way should look at its user."""
        return await self._vouchings.put(record.jti, record) or False

    async def redeem(self, redemption: Redemption) -> Grant | None:
        """The session of a sign-in token's first exchange, committed; None for whatever needs the long way."""
        return await self._redemptions.put(redemption.jti, redemption)

    async def meet(self, asking: Mapping[str, Any]) -> Asker | None:
        """Who asks for a code, by the parameters of `otp.asking`; None where the long way should look."""
        return await self._askers.put(asking["client_digest"], asking)

    async def begin(self, asked: Asked) -> bool:
        """Whether the transaction has begun, committed; False for whatever needs the long way. Raises Unavailable."""
        return await self._asked.put(asked.subject, asked) or False

    async def recipient(self, transaction_id: UUID) -> str | None:
        """Whom a transaction is for; None where the long way should look."""
        return await self._recipients.put(transaction_id, transaction_id)

    async def judge(self, guess: Guess) -> Judged | None:
        """What became of a guess, committed; None for one that was not taken. Raises Unavailable."""
        return await self._guesses.put(guess.subject, guess)

    async def close(self) -> None:
        """Finish what is under way, as far as the database lets us, and let go of the connections."""
        every: tuple[Batches[Any, Any, Any], ...] = (
            self._rotations,
            self._receipts,
            self._looks,
            self._vouchings,
            self._redemptions,
            self._askers,
            self._asked,
            self._recipients,
            self._guesses,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(*(batches.finish() for batches in every))
        await self._driver.close()


def _by_id(session_id: UUID) -> int:
    return session_id.int


__all__ = ["Hot", "Receipt"]
