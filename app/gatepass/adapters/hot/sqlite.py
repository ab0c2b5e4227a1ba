"""The hot statements on SQLite: a writer thread that commits whole batches, and a connection to read from.

What a batch costs here is hardly SQLite's: it is the interpreter's lock, which a thread gives up for every statement and
row and then waits for while the event loop works. So a batch is one statement, its requests a JSON array, and that is its
own transaction: it commits when its last row is fetched. Only what writes into several tables takes several. A look needs
no thread at all: in WAL mode no writer can make a reader wait, and a session and its user are a few pages.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import JSON, Boolean, Uuid
from sqlalchemy.dialects import sqlite

from gatepass.adapters.database import LOCK_WAIT, Database
from gatepass.adapters.hot.driver import Found, Receipt, grant_of, list_in
from gatepass.adapters.hot.sqlite_codes import begin_all, judge_all, meet_all, recipients_of
from gatepass.adapters.hot.sqlite_sign_in import redeem_all, vouch_all
from gatepass.core import access_tokens
from gatepass.core.otp import Asker
from gatepass.core.otp_shared import Asked, Guess, Judged
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant
from gatepass.core.sign_in_tokens import Redemption, Vouching

A = TypeVar("A")
K = TypeVar("K")
G = TypeVar("G")

SWITCH_INTERVAL = 0.0005
"""Seconds the event loop may keep the interpreter's lock from the writer, whose commit others wait for; Python's own
choice, 5 ms, would be most of a refresh.
"""


class Sqlite:
    """A thread that writes and a connection that reads; a batch of rotations is one transaction and one sync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = _Thread(database, "gatepass-hot-writer")
        self._reader: sqlite3.Connection | None = None
        sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        async with self._database.writing():
            return await self._writer.run(_rotate_all, asks)

    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
        return _look_all(self._reading(), session_ids)

    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
        async with self._database.writing():
            return await self._writer.run(_note_all, receipts)

    async def vouch(self, records: Sequence[Vouching]) -> Mapping[str, bool]:
        async with self._database.writing():
            return await self._writer.run(vouch_all, records)

    async def redeem(self, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
        return await self._write(redeem_all, redemptions)

    async def meet(self, askers: Sequence[Mapping[str, Any]]) -> Mapping[bytes, Asker]:
        return meet_all(self._reading(), askers)

    async def begin(self, asked: Sequence[Asked]) -> Mapping[str, bool]:
        return await self._write(begin_all, asked)

    async def recipients(self, transactions: Sequence[UUID]) -> Mapping[UUID, str]:
        return recipients_of(self._reading(), transactions)

    async def judge(self, guesses: Sequence[Guess]) -> Mapping[str, Judged]:
        return await self._write(judge_all, guesses)

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = _connect(self._database, timeout=0)
        return self._reader

    async def _write(
        self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[K, G]], asks: Sequence[A]
    ) -> Mapping[K, G]:
        """Do *work* for all of *asks* in one transaction."""

        def transact(connection: sqlite3.Connection, asks: Sequence[A]) -> Mapping[K, G]:
            with _transaction(connection):
                return work(connection, asks)

        async with self._database.writing():
            return await self._writer.run(transact, asks)

    async def close(self) -> None:
        self._writer.close()
        if self._reader is not None:
            self._reader.close()


def _connect(database: Database, *, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database.url.database or "", isolation_level=None, timeout=timeout, check_same_thread=False
    )
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class _Thread:
    """One thread and the one connection that it alone uses."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(1, name)
        self._connection: sqlite3.Connection | None = None

    async def run(
        self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[K, G]], asks: Sequence[A]
    ) -> Mapping[K, G]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work, asks)

    def _do(self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[K, G]], asks: Sequence[A]) -> Mapping[K, G]:
        if self._connection is None:
            self._connection = _connect(self._database, timeout=LOCK_WAIT)
        return work(self._connection, asks)

    def close(self) -> None:
        self._pool.shutdown()
        if self._connection is not None:
            self._connection.close()


def _rotate_all(connection: sqlite3.Connection, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
    rows = _all_of(
        connection,
        _ROTATE,
        [
            (
                ask.session_id.hex,
                ask.generation,
                ask.audience.surface,
                ask.audience.team_id.hex if ask.audience.team_id else None,
                ask.audience.environment,
                ask.now,
                ask.idle_expires_at,
            )
            for ask in asks
        ],
    )
    found = {row[0]: row for row in rows}
    granted = {}
    for ask in asks:
        if (row := found.get(ask.session_id.hex)) is not None:
            roles = list_in(row[8]) if row[8] else ()
            granted[ask.session_id] = grant_of(row, ask.session_id, UUID(row[2]), UUID(row[3]), roles, ask.now)
    return granted


def _note_all(connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
    _all_of(connection, _NOTE, [(one.session_id.hex, one.generation, one.now, one.sdk or None) for one in receipts])
    return {receipt.session_id: True for receipt in receipts}


def _all_of(connection: sqlite3.Connection, statement: str, requests: Sequence[Any]) -> list[Any]:
    """The rows of *statement*, which reads its requests from a JSON array; committed."""
    return connection.execute(statement, (json.dumps(requests),)).fetchall()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, committed; or none of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _look_all(connection: sqlite3.Connection, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
    rows = _all_of(connection, _LOOK, [session_id.hex for session_id in session_ids])
    found = map(access_tokens.found_in, map(_values_in, rows))
    return {session.id: (session, user) for session, user in found}


def _values_in(row: Sequence[Any]) -> list[Any]:
    values = list(row)
    for place, read in _COLUMN_READS:
        if values[place] is not None:
            values[place] = read(values[place])
    return values


_ROTATE = """
UPDATE sessions
   SET generation = sessions.generation + 1, rotated_at = a.now, receipt_at = NULL,
       late_replays = (late_replays * 2) % 256, idle_expires_at = a.idle
  FROM (SELECT value ->> 0 AS id, value ->> 1 AS generation, value ->> 2 AS surface, value ->> 3 AS team_id,
               value ->> 4 AS environment, value ->> 5 AS now, value ->> 6 AS idle
          FROM json_each(?)) AS a
 WHERE sessions.id = a.id AND sessions.generation = a.generation AND ended_at IS NULL AND idle_expires_at > a.now
   AND (absolute_expires_at IS NULL OR absolute_expires_at > a.now) AND jkt IS NULL AND sessions.surface = a.surface
   AND (a.team_id IS NULL OR sessions.team_id = a.team_id)
   AND (a.environment IS NULL OR sessions.environment = a.environment)
RETURNING id, generation, user_id, team_id, environment, surface,
       (SELECT t.region FROM teams t WHERE t.id = sessions.team_id) AS region,
       (SELECT u.email FROM users u WHERE u.id = sessions.user_id) AS email,
       (SELECT u.roles FROM users u WHERE u.id = sessions.user_id) AS roles
"""
_NOTE = """
UPDATE sessions SET receipt_at = r.now, last_seen_at = r.now, sdk = COALESCE(r.sdk, sessions.sdk)
  FROM (SELECT value ->> 0 AS id, value ->> 1 AS generation, value ->> 2 AS now, value ->> 3 AS sdk
          FROM json_each(?)) AS r
 WHERE sessions.id = r.id AND sessions.generation = r.generation AND receipt_at IS NULL AND ended_at IS NULL
"""
_THESE = " WHERE sessions.id IN (SELECT value FROM json_each(?))"
_LOOK = str(access_tokens.LOOK_AT.compile(dialect=sqlite.dialect())) + _THESE
_READS: dict[type, Callable[[Any], Any]] = {Uuid: UUID, JSON: list_in, Boolean: bool}
_COLUMN_READS = [
    (place, _READS[type(column.type)])
    for place, column in enumerate(access_tokens.LOOK_AT.selected_columns)
    if type(column.type) in _READS
]
