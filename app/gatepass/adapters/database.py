"""The database: connections, the two ways to begin, and which failures are worth another try.

SQLite: writers begin with BEGIN IMMEDIATE (a deferred BEGIN fails at once when it wants to upgrade) and queue at a gate
of this process first, in order, because SQLite's own waiting is neither fair nor asynchronous. WAL, synchronous=FULL.

PostgreSQL: row locks do the queueing, bounded by lock_timeout and statement_timeout. Connections are not pinged before
use: whatever fails for want of a connection, before its commit, is tried once more on a new one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gatepass.core.errors import Unavailable

T = TypeVar("T")

LOCK_WAIT = 2.0
"""Seconds one statement waits for a lock."""
STATEMENT_LIMIT = 5.0
"""Seconds one statement may run."""
ATTEMPTS = 3

_AGAIN = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available: lock_timeout
}
_DOWN = {
    "53100",  # disk_full
    "53200",  # out_of_memory
    "53300",  # too_many_connections
    "57014",  # query_canceled: statement_timeout
    "25006",  # read_only_sql_transaction: a standby answered
}
_LOST = ("08", "57P")  # connection exceptions, shutdown
_FAILURES = (
    DBAPIError,
    PoolTimeout,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was lost half-way through a message
)
_SQLITE_DOWN = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_NOMEM")


class _TryAgain(Exception):
    """Nothing was committed and another attempt may succeed."""


class Database:
    """One engine and its transactions."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = with_driver(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: AsyncEngine = create_async_engine(
            self.url, hide_parameters=True, pool_size=pool_size, max_overflow=0, **self._options()
        )
        self._gate = asyncio.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    def _options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"pool_timeout": STATEMENT_LIMIT, "connect_args": {"isolation_level": None, "timeout": LOCK_WAIT}}
        return {
            "pool_timeout": STATEMENT_LIMIT,
            "connect_args": {
                "timeout": 5,
                "command_timeout": STATEMENT_LIMIT * 2,
                "server_settings": {
                    "application_name": "gatepass",
                    "jit": "off",
                    "lock_timeout": str(int(LOCK_WAIT * 1000)),
                    "statement_timeout": str(int(STATEMENT_LIMIT * 1000)),
                },
            },
        }

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    async def run(
        self, work: Callable[[AsyncConnection, Callable[[], Awaitable[None]]], Awaitable[T]], *, writes: bool
    ) -> T:
        """Do *work* in one transaction. It is handed the connection and the commit, and calls the latter to keep what
        it did; whatever it raises before that undoes everything.

        Work is repeated after contention and after a lost connection, so it must hold no side effect but the database.
        Raises Unavailable when the database stays contended or out of reach, or was lost while committing.
        """
        problem = "contended"
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.01 * 4**attempt)
            try:
                return await self._attempt(work, writes=writes)
            except _TryAgain as again:
                problem = str(again)
        raise Unavailable(problem)

    async def _attempt(
        self, work: Callable[[AsyncConnection, Callable[[], Awaitable[None]]], Awaitable[T]], *, writes: bool
    ) -> T:
        committing = False
        try:
            async with self.writing() if writes else nullcontext(), self.engine.connect() as db:
                if writes:
                    db = await db.execution_options(gatepass_writes=True)

                async def commit() -> None:
                    nonlocal committing
                    committing = True  # and stays so: nothing that fails from here on may run the work again
                    await db.commit()

                await db.begin()
                return await work(db, commit)
        except _FAILURES as error:
            _explain(error, committing=committing)
            raise

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """This process's turn to write: SQLite has one writer, and queueing here is fair; PostgreSQL has row locks."""
        async with self._gate:
            yield


def _explain(error: Exception, *, committing: bool) -> None:
    """Turn a failure of the database into what to do about it. Returns for a fault in the statement itself."""
    if isinstance(error, DBAPIError):
        origin: Any = error.orig
        state = getattr(origin, "sqlstate", None) or ""
        sqlite_name = getattr(origin, "sqlite_errorname", "") if isinstance(origin, sqlite3.Error) else ""
        contended = state in _AGAIN or sqlite_name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        lost = error.connection_invalidated or state.startswith(_LOST)
        down = state in _DOWN or sqlite_name.startswith(_SQLITE_DOWN)
    else:
        contended, down = False, isinstance(error, PoolTimeout)
        lost = not down
    if committing and lost:
        raise Unavailable("the connection was lost during the commit: its outcome is unknown") from error
    if contended or lost:
        raise _TryAgain("contended" if contended else "out of reach") from error
    if down:
        raise Unavailable(f"the database cannot work now: {type(error).__name__}") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gatepass_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def with_driver(url: str) -> URL:
    """*url* with the driver that Gatepass uses. Raises ValueError for any other kind of database."""
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    kind = parsed.drivername.partition("+")[0]
    if kind not in drivers:
        raise ValueError(f"{kind!r} is no database of ours: use sqlite:///path or postgresql://user@host/name")
    return parsed.set(drivername=drivers[kind])
