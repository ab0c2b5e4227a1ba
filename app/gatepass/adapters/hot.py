"""The hot statement: many rotations, one statement, one commit.

Rotation is what this server does all day, so its fast path skips the pool, the transaction and the query builder: the
compare-and-set of core/rotation.py goes to the driver itself, in autocommit, one round trip. Requests that arrive while
a statement is under way share the next one. Nothing waits for company: an idle lane starts at once with whoever is there.

This is the second place that may commit, and the only other one. Each caller is answered for itself, after the commit
that holds its rotation; whoever the statement did not match goes the long way, through the table of core/rotation.py.
So does everyone when the statement fails: rotating again is safe by that table's second row.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from gatepass.adapters.database import LOCK_WAIT, STATEMENT_LIMIT, Database
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant, Surface

MOST_AT_ONCE = 64
"""Rotations in one statement."""
LANES = 2
"""Statements under way at once (PostgreSQL); SQLite has one writer."""


class _Advance(Protocol):
    """Does many compare-and-sets and commits them; the rows that advanced, by session."""

    async def __call__(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]: ...
    async def close(self) -> None: ...


class HotRotations:
    """Batches rotations onto the database behind *database*."""

    def __init__(self, database: Database) -> None:
        self._advance: _Advance = _Sqlite(database) if database.is_sqlite else _Postgres(database)
        self._waiting: deque[tuple[Ask, asyncio.Future[Grant | None]]] = deque()
        self._free_lanes = 1 if database.is_sqlite else LANES
        self._lanes: set[asyncio.Task[None]] = set()

    async def rotate(self, ask: Ask) -> Grant | None:
        """The next generation's grant, committed; None for whatever needs the long way. Raises nothing of the database."""
        answer: asyncio.Future[Grant | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        if self._free_lanes:
            self._free_lanes -= 1
            lane = asyncio.create_task(self._drive())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await answer

    async def _drive(self) -> None:
        """Serve whoever waits, batch after batch, until nobody does."""
        try:
            while self._waiting:
                await self._serve(self._take())
        finally:
            self._free_lanes += 1

    def _take(self) -> list[tuple[Ask, asyncio.Future[Grant | None]]]:
        """The next batch: one rotation per session, ordered by session so that two batches never lock crosswise."""
        batch: dict[UUID, tuple[Ask, asyncio.Future[Grant | None]]] = {}
        while self._waiting and len(batch) < MOST_AT_ONCE:
            ask, answer = self._waiting.popleft()
            if ask.session_id in batch:
                _settle(answer, None)  # a parallel use of one token: the long way finds the first one's successor
            else:
                batch[ask.session_id] = ask, answer
        return [batch[session_id] for session_id in sorted(batch)]

    async def _serve(self, batch: list[tuple[Ask, asyncio.Future[Grant | None]]]) -> None:
        advanced: Mapping[UUID, Grant] = {}
        try:
            advanced = await self._advance([ask for ask, _ in batch])
        except (asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error, OSError, TimeoutError):
            advanced = {}
        finally:
            for ask, answer in batch:
                _settle(answer, advanced.get(ask.session_id))

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        while self._lanes:
            await asyncio.wait(self._lanes)
        await self._advance.close()


def _settle(answer: asyncio.Future[Grant | None], grant: Grant | None) -> None:
    if not answer.done():
        answer.set_result(grant)


class _Postgres:
    """asyncpg in autocommit: one prepared statement over arrays. A lost connection costs one batch the long way."""

    def __init__(self, database: Database) -> None:
        self._dsn = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._idle: list[asyncpg.Connection[Any]] = []

    async def __call__(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            rows = await connection.fetch(
                _POSTGRES,
                [ask.session_id for ask in asks],
                [ask.generation for ask in asks],
                [ask.audience.surface.value for ask in asks],
                [ask.audience.team_id for ask in asks],
                [ask.audience.environment for ask in asks],
                [ask.now for ask in asks],
                [ask.idle_expires_at for ask in asks],
            )
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        issued_at = {ask.session_id: ask.now for ask in asks}
        return {row["id"]: _grant(row, issued_at[row["id"]]) for row in rows}

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            self._dsn,
            timeout=STATEMENT_LIMIT,
            command_timeout=2 * STATEMENT_LIMIT,
            server_settings={
                "application_name": "gatepass hot",
                "jit": "off",
                "lock_timeout": str(int(LOCK_WAIT * 1000)),
                "statement_timeout": str(int(STATEMENT_LIMIT * 1000)),
                # The one plan there is: walk the arrays in order, find each session by its key.
                "enable_hashjoin": "off",
                "enable_mergejoin": "off",
                "enable_seqscan": "off",
                "plan_cache_mode": "force_generic_plan",
            },
        )

    async def close(self) -> None:
        for connection in self._idle:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await connection.close(timeout=1)
        self._idle.clear()


class _Sqlite:
    """One writer thread with a connection of its own; a batch is one transaction and one sync of the log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "gatepass-hot")
        self._connection: sqlite3.Connection | None = None

    async def __call__(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        async with self._database.writing():
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._rotate, asks)

    def _rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        if self._connection is None:
            self._connection = self._connect()
        execute = self._connection.execute
        granted = {}
        execute("BEGIN IMMEDIATE")
        try:
            for ask in asks:
                audience = ask.audience
                row = execute(
                    _SQLITE,
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
                    granted[ask.session_id] = _grant(row, ask.now)
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise
        return granted

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._database.url.database or "", isolation_level=None, timeout=LOCK_WAIT, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    async def close(self) -> None:
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()


def _grant(row: Any, issued_at: int) -> Grant:
    user_id, team_id = row["user_id"], row["team_id"]
    return Grant(
        session_id=row["id"] if isinstance(row["id"], UUID) else UUID(row["id"]),
        generation=row["generation"],
        user_id=user_id if isinstance(user_id, UUID) else UUID(user_id),
        team_id=team_id if isinstance(team_id, UUID) else UUID(team_id),
        environment=row["environment"],
        region=row["region"] or "",
        surface=Surface(row["surface"]),
        email=row["email"],
        roles=tuple(json.loads(row["roles"])) if row["roles"] else (),
        jkt=None,
        issued_at=issued_at,
    )


_POSTGRES = """
UPDATE sessions AS s
   SET generation = s.generation + 1, rotated_at = a.now, receipt_at = NULL,
       late_replays = (s.late_replays * 2) % 256, idle_expires_at = a.idle
  FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[])
       AS a(id, generation, surface, team_id, environment, now, idle)
 WHERE s.id = a.id AND s.generation = a.generation AND s.ended_at IS NULL AND s.idle_expires_at > a.now
   AND (s.absolute_expires_at IS NULL OR s.absolute_expires_at > a.now) AND s.jkt IS NULL AND s.surface = a.surface
   AND (a.team_id IS NULL OR s.team_id = a.team_id) AND (a.environment IS NULL OR s.environment = a.environment)
RETURNING s.id, s.generation, s.user_id, s.team_id, s.environment, s.surface,
       (SELECT t.region FROM teams t WHERE t.id = s.team_id) AS region,
       (SELECT u.email FROM users u WHERE u.id = s.user_id) AS email,
       (SELECT u.roles FROM users u WHERE u.id = s.user_id) AS roles
"""
_SQLITE = """
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
