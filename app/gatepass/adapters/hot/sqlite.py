"""The hot statements on SQLite: a writer thread that commits whole batches, and a reader beside it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import JSON, Boolean, Uuid
from sqlalchemy.dialects import sqlite

from gatepass.adapters.database import LOCK_WAIT, Database
from gatepass.adapters.hot.driver import Found, Receipt, grant_of
from gatepass.adapters.hot.sqlite_sign_in import redeem_all, vouch_all
from gatepass.core import access_tokens
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant
from gatepass.core.sign_in_tokens import Redemption, Vouching

A = TypeVar("A")
K = TypeVar("K")
G = TypeVar("G")


class Sqlite:
    """A writer and a reader thread, each with a connection; a batch of rotations is one transaction and one sync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = _Thread(database, "gatepass-hot-writer")
        self._reader = _Thread(database, "gatepass-hot-reader")

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        return await self._write(_rotate_all, asks)

    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
        return await self._reader.run(_look_all, session_ids)

    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
        return await self._write(_note_all, receipts)

    async def vouch(self, records: Sequence[Vouching]) -> Mapping[str, bool]:
        return await self._write(vouch_all, records)

    async def redeem(self, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
        return await self._write(redeem_all, redemptions)

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
        self._reader.close()


class _Thread:
    """One thread and the one connection that it alone uses."""

    def __init__(self, database: Database, name: str) -> None:
        self._path = database.url.database or ""
        self._pool = ThreadPoolExecutor(1, name)
        self._connection: sqlite3.Connection | None = None

    async def run(
        self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[K, G]], asks: Sequence[A]
    ) -> Mapping[K, G]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work, asks)

    def _do(self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[K, G]], asks: Sequence[A]) -> Mapping[K, G]:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=LOCK_WAIT, check_same_thread=False
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                self._connection.execute(f"PRAGMA {pragma}")
        return work(self._connection, asks)

    def close(self) -> None:
        self._pool.shutdown()
        if self._connection is not None:
            self._connection.close()


def _rotate_all(connection: sqlite3.Connection, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
    granted = {}
    for ask in asks:
        audience = ask.audience
        row = connection.execute(
            _ROTATE,
            {
                "id": ask.session_id.hex,
                "generation": ask.generation,
                "surface": audience.surface.value,
                "team_id": audience.team_id.hex if audience.team_id else None,
                "environment": audience.environment,
                "now": ask.now,
                "idle": ask.idle_expires_at,
            },
        ).fetchone()
        if row is not None:
            roles = json.loads(row[8]) if row[8] else ()
            granted[ask.session_id] = grant_of(row, ask.session_id, UUID(row[2]), UUID(row[3]), roles, ask.now)
    return granted


def _note_all(connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
    for receipt in receipts:
        connection.execute(
            _NOTE,
            {
                "id": receipt.session_id.hex,
                "generation": receipt.generation,
                "now": receipt.now,
                "sdk": receipt.sdk or None,
            },
        )
    return {receipt.session_id: True for receipt in receipts}


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
    found = {}
    for session_id in session_ids:
        row = connection.execute(_LOOK, (session_id.hex,)).fetchone()
        if row is not None:
            found[session_id] = access_tokens.found_in(
                tuple(value if value is None else read(value) for read, value in zip(_COLUMN_READS, row, strict=True))
            )
    return found


def _as_it_is(value: Any) -> Any:
    return value


_ROTATE = """
UPDATE sessions
   SET generation = generation + 1, rotated_at = :now, receipt_at = NULL,
       late_replays = (late_replays * 2) % 256, idle_expires_at = :idle
 WHERE id = :id AND generation = :generation AND ended_at IS NULL AND idle_expires_at > :now
   AND (absolute_expires_at IS NULL OR absolute_expires_at > :now) AND jkt IS NULL AND surface = :surface
   AND (:team_id IS NULL OR team_id = :team_id) AND (:environment IS NULL OR environment = :environment)
RETURNING id, generation, user_id, team_id, environment, surface,
       (SELECT t.region FROM teams t WHERE t.id = sessions.team_id) AS region,
       (SELECT u.email FROM users u WHERE u.id = sessions.user_id) AS email,
       (SELECT u.roles FROM users u WHERE u.id = sessions.user_id) AS roles
"""
_NOTE = """
UPDATE sessions SET receipt_at = :now, last_seen_at = :now, sdk = COALESCE(:sdk, sdk)
 WHERE id = :id AND generation = :generation AND receipt_at IS NULL AND ended_at IS NULL
"""
_LOOK = str(access_tokens.LOOK.compile(dialect=sqlite.dialect()))
_READS: dict[type, Callable[[Any], Any]] = {Uuid: UUID, JSON: json.loads, Boolean: bool}
_COLUMN_READS: tuple[Callable[[Any], Any], ...] = tuple(
    _READS.get(type(column.type), _as_it_is) for column in access_tokens.LOOK.selected_columns
)
