"""The hot statements: many rotations, look-ups or receipts in one statement and one commit.

Rotating and verifying is what this server does all day, so their fast paths skip the pool, the transaction and the query
builder: the compare-and-set of core/rotation.py and the look-up of core/access_tokens.py go to the driver itself, in
autocommit, one round trip. Requests that arrive while a statement is under way share the next one. Nothing waits for
company: an idle lane starts at once with whoever is there.

This is the second place that may commit, and the only other one. Each caller is answered for itself, after the commit
that holds its rotation; whoever the statement did not match goes the long way, through the table of core/rotation.py. So
does everyone when the statement fails: rotating again is safe by that table's second row, and looking again always is.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import JSON, Boolean, Uuid, any_, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from gatepass.adapters.database import LOCK_WAIT, STATEMENT_LIMIT, Database
from gatepass.core import access_tokens
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant, Session, Surface, sessions
from gatepass.core.users import User

MOST_AT_ONCE = 64
"""Requests in one statement."""
LANES = 2
"""Statements of one kind under way at once (PostgreSQL); SQLite has one writer and one reader here."""
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error, OSError, TimeoutError)

Found = tuple[Session, User]
A = TypeVar("A")
G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A generation known to have arrived at *now* (ms), by which SDK where it says."""

    session_id: UUID
    generation: int
    now: int
    sdk: str


class _Driver(Protocol):
    """What a database does for many at once: the answers by session; what is not among them has none."""

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]: ...
    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]: ...
    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]: ...
    async def close(self) -> None: ...


class Hot:
    """Batches rotations and look-ups onto the database behind *database*."""

    def __init__(self, database: Database) -> None:
        self._driver: _Driver = _Sqlite(database) if database.is_sqlite else _Postgres(database)
        lanes = 1 if database.is_sqlite else LANES
        self._rotations: _Batches[Ask, Grant] = _Batches(self._driver.rotate, lanes)
        self._receipts: _Batches[Receipt, bool] = _Batches(self._driver.note, lanes, shares=True)
        self._looks: _Batches[UUID, Found] = _Batches(self._driver.look, lanes, shares=True)

    async def rotate(self, ask: Ask) -> Grant | None:
        """The next generation's grant, committed; None for whatever needs the long way. Raises nothing of the database."""
        return await self._rotations.put(ask.session_id, ask)

    async def look(self, session_id: UUID) -> Found | None:
        """A session and its user as they are now; None where the long way should look."""
        return await self._looks.put(session_id, session_id)

    async def note(self, receipt: Receipt) -> bool:
        """As `sessions.note_receipt`, committed; False where the long way should write it."""
        return await self._receipts.put(receipt.session_id, receipt) or False

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        await self._rotations.finish()
        await self._receipts.finish()
        await self._looks.finish()
        await self._driver.close()


class _Batches(Generic[A, G]):
    """Requests of one kind, gathered while others are under way. *serve* answers many, by session.

    Of several requests for one session in a batch the first is served; where the kind *shares*, its answer is everyone's.
    """

    def __init__(
        self, serve: Callable[[Sequence[A]], Awaitable[Mapping[UUID, G]]], lanes: int, *, shares: bool = False
    ) -> None:
        self._serve = serve
        self._shares = shares
        self._free_lanes = lanes
        self._lanes: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[UUID, A, asyncio.Future[G | None]]] = deque()

    async def put(self, session_id: UUID, ask: A) -> G | None:
        """Wait for the answer to *ask*; None when the statement had none, or failed."""
        answer: asyncio.Future[G | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((session_id, ask, answer))
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
                await self._serve_batch(self._take())
        finally:
            self._free_lanes += 1

    def _take(self) -> dict[UUID, tuple[A, list[asyncio.Future[G | None]]]]:
        """The next batch: one request per session, ordered by session so that two batches never lock crosswise."""
        batch: dict[UUID, tuple[A, list[asyncio.Future[G | None]]]] = {}
        while self._waiting and len(batch) < MOST_AT_ONCE:
            session_id, ask, answer = self._waiting.popleft()
            if session_id not in batch:
                batch[session_id] = ask, [answer]
            elif self._shares:
                batch[session_id][1].append(answer)
            else:
                _settle(answer, None)  # a parallel use of one token: the long way finds the first one's successor
        return dict(sorted(batch.items(), key=_by_session)) if len(batch) > 1 else batch

    async def _serve_batch(self, batch: dict[UUID, tuple[A, list[asyncio.Future[G | None]]]]) -> None:
        answers: Mapping[UUID, G] = {}
        try:
            with suppress(*FAILURES):
                answers = await self._serve([ask for ask, _ in batch.values()])
        finally:
            for session_id, (_, waiting) in batch.items():
                for answer in waiting:
                    _settle(answer, answers.get(session_id))

    async def finish(self) -> None:
        """Until nothing is under way."""
        while self._lanes:
            await asyncio.wait(self._lanes)


def _by_session(item: tuple[UUID, Any]) -> int:
    return item[0].int


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


class _Postgres:
    """asyncpg in autocommit: one prepared statement over arrays. A lost connection costs one batch the long way."""

    def __init__(self, database: Database) -> None:
        self._dsn = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._idle: list[asyncpg.Connection[Any]] = []

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        rows = await self._fetch(
            _POSTGRES,
            [ask.session_id for ask in asks],
            [ask.generation for ask in asks],
            [ask.audience.surface.value for ask in asks],
            [ask.audience.team_id for ask in asks],
            [ask.audience.environment for ask in asks],
            [ask.now for ask in asks],
            [ask.idle_expires_at for ask in asks],
        )
        issued_at = {ask.session_id: ask.now for ask in asks}
        return {row[0]: _grant(row, row[0], row[2], row[3], row[8] or (), issued_at[row[0]]) for row in rows}

    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
        rows = await self._fetch(_POSTGRES_LOOK, session_ids)
        return {row[0]: access_tokens.found_in(tuple(row)) for row in rows}

    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
        await self._fetch(
            _POSTGRES_NOTE,
            [receipt.session_id for receipt in receipts],
            [receipt.generation for receipt in receipts],
            [receipt.now for receipt in receipts],
            [receipt.sdk or None for receipt in receipts],
        )
        return {receipt.session_id: True for receipt in receipts}

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        """One round trip on a connection of our own; one that fails is thrown away."""
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return rows

    async def _connect(self) -> asyncpg.Connection[Any]:
        connection = await asyncpg.connect(
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
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        return connection

    async def close(self) -> None:
        for connection in self._idle:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await connection.close(timeout=1)
        self._idle.clear()


class _Sqlite:
    """A writer and a reader thread, each with a connection; a batch of rotations is one transaction and one sync."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = _Thread(database, "gatepass-hot-writer")
        self._reader = _Thread(database, "gatepass-hot-reader")

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        async with self._database.writing():
            return await self._writer.run(_rotate_all, asks)

    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
        return await self._reader.run(_look_all, session_ids)

    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
        async with self._database.writing():
            return await self._writer.run(_note_all, receipts)

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
        self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[UUID, G]], asks: Sequence[A]
    ) -> Mapping[UUID, G]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work, asks)

    def _do(
        self, work: Callable[[sqlite3.Connection, Sequence[A]], Mapping[UUID, G]], asks: Sequence[A]
    ) -> Mapping[UUID, G]:
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
    with _transaction(connection):
        for ask in asks:
            audience = ask.audience
            row = connection.execute(
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
                roles = json.loads(row[8]) if row[8] else ()
                granted[ask.session_id] = _grant(row, ask.session_id, UUID(row[2]), UUID(row[3]), roles, ask.now)
    return granted


def _note_all(connection: sqlite3.Connection, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
    with _transaction(connection):
        for receipt in receipts:
            connection.execute(
                _SQLITE_NOTE,
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
        row = connection.execute(_SQLITE_LOOK, (session_id.hex,)).fetchone()
        if row is not None:
            found[session_id] = access_tokens.found_in(
                tuple(value if value is None else read(value) for read, value in zip(_SQLITE_READS, row, strict=True))
            )
    return found


def _as_it_is(value: Any) -> Any:
    return value


def _grant(row: Any, session_id: UUID, user_id: UUID, team_id: UUID, roles: Sequence[str], issued_at: int) -> Grant:
    return Grant(
        session_id=session_id,
        generation=row[1],
        user_id=user_id,
        team_id=team_id,
        environment=row[4],
        surface=Surface(row[5]),
        region=row[6] or "",
        email=row[7],
        roles=tuple(roles),
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
_POSTGRES_NOTE = """
UPDATE sessions AS s SET receipt_at = r.now, last_seen_at = r.now, sdk = COALESCE(r.sdk, s.sdk)
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS r(id, generation, now, sdk)
 WHERE s.id = r.id AND s.generation = r.generation AND s.receipt_at IS NULL AND s.ended_at IS NULL
"""
_SQLITE_NOTE = """
UPDATE sessions SET receipt_at = :now, last_seen_at = :now, sdk = COALESCE(:sdk, sdk)
 WHERE id = :id AND generation = :generation AND receipt_at IS NULL AND ended_at IS NULL
"""
_POSTGRES_LOOK = str(
    access_tokens.LOOK_AT.where(sessions.c.id == any_(bindparam("ids", type_=postgresql.ARRAY(Uuid)))).compile(
        dialect=postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
    )
)
_SQLITE_LOOK = str(access_tokens.LOOK.compile(dialect=sqlite.dialect()))
_READS: dict[type, Callable[[Any], Any]] = {Uuid: UUID, JSON: json.loads, Boolean: bool}
_SQLITE_READS: tuple[Callable[[Any], Any], ...] = tuple(
    _READS.get(type(column.type), _as_it_is) for column in access_tokens.LOOK.selected_columns
)
