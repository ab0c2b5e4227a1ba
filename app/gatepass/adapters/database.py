"""The database: connections, the two ways to begin, and which failures are worth another try.

SQLite: writers begin with BEGIN IMMEDIATE (a deferred BEGIN fails at once when it wants to upgrade) and queue at a gate
of this process first, in order, because SQLite's own waiting is neither fair nor asynchronous. WAL, synchronous=FULL.

PostgreSQL: row locks do the queueing, bounded by lock_timeout and statement_timeout. Connections are not pinged before
use: whatever fails for want of a connection, before its commit, is tried once more on a new one. How a new one is had,
and when one is given up, is postgres_server.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gatepass.adapters.postgres_server import UNWATCHED_LIMIT, PostgresServer, TlsFailed
from gatepass.core import database_url
from gatepass.core.errors import Unavailable

T = TypeVar("T")

LOCK_WAIT = 2.0
"""Seconds one statement waits for a lock."""
STATEMENT_LIMIT = 5.0
"""Seconds one statement may run."""
ANSWER_LIMIT = 6.0
"""Seconds until an answer of PostgreSQL's is given up: later than it gives up itself."""
GOODBYE = 1.0
"""Seconds that closing connections may take, those of each kind."""
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
}
_READ_ONLY = "25006"
"""read_only_sql_transaction: this host takes no writes any more; another one may."""
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
_WATCH = "gatepass_watch"
_SQLITE_DOWN = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_NOMEM")


class _TryAgain(Exception):
    """Nothing was committed and another attempt may succeed."""


class Database:
    """One engine and its transactions. One that is *patient* sets no limit to how long a statement may run."""

    def __init__(self, url: str, *, pool_size: int = 10, patient: bool = False) -> None:
        self._given = url
        self._patient = patient
        self.url = database_url.parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.server = None if self.is_sqlite else PostgresServer(url)
        self.engine: AsyncEngine = create_async_engine(
            self.url, hide_parameters=True, pool_size=pool_size, max_overflow=0, **self._options()
        )
        self._gate = asyncio.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine.sync_engine, "before_cursor_execute", _watch_again)
            event.listen(self.engine.sync_engine, "commit", _watch_again)

    def _options(self) -> dict[str, Any]:
        if self.server is None:
            return {"pool_timeout": STATEMENT_LIMIT, "connect_args": {"isolation_level": None, "timeout": LOCK_WAIT}}
        return {
            "pool_timeout": STATEMENT_LIMIT,
            "async_creator": partial(
                self.server.connect,
                application_name="gatepass",
                jit="off",
                lock_timeout=str(int(LOCK_WAIT * 1000)),
                answers_within=None if self._patient else UNWATCHED_LIMIT,
                statement_timeout="0" if self._patient else str(int(STATEMENT_LIMIT * 1000)),
            ),
        }

    def patient(self) -> Database:
        """The same database for migrations: to index many rows takes longer than any request may."""
        return Database(self._given, pool_size=1, patient=True)

    async def dispose(self) -> None:
        """Close every connection, politely where the server still listens."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self.engine.dispose()
        finally:
            if self.server is not None:
                self.server.let_go()

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

                with self._watching(db):
                    await db.begin()
                    return await work(db, commit)
        except _FAILURES as error:
            _explain(error, committing=committing)
            raise

    @contextmanager
    def _watching(self, db: AsyncConnection) -> Iterator[None]:
        """Give the connection up where an answer does not come, or where it takes no writes any more."""
        if self.server is None:
            yield
            return
        raw = cast(Connection, db.sync_connection).connection
        raw.info[_WATCH] = watch = self.server.watch(cast(Any, raw.driver_connection), ANSWER_LIMIT)
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _READ_ONLY:
                cast(Any, raw.driver_connection).terminate()
            raise
        finally:
            watch.stop()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """This process's turn to write: SQLite has one writer, and queueing here is fair; PostgreSQL has row locks."""
        async with self._gate:
            yield


def _explain(error: Exception, *, committing: bool) -> None:
    """Turn a failure of the database into what to do about it. Returns for a fault in the statement itself."""
    if isinstance(error, TlsFailed):
        raise Unavailable(str(error)) from error
    if isinstance(error, DBAPIError):
        origin: Any = error.orig
        state = getattr(origin, "sqlstate", None) or ""
        sqlite_name = getattr(origin, "sqlite_errorname", "") if isinstance(origin, sqlite3.Error) else ""
        contended = state in _AGAIN or sqlite_name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        lost = error.connection_invalidated or state == _READ_ONLY or state.startswith(_LOST)
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


def _watch_again(connection: Connection, *_: object) -> None:
    if (watch := connection.info.get(_WATCH)) is not None:
        watch.again()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("gatepass_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
