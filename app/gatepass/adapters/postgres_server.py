"""Reaching PostgreSQL: on whichever of its hosts takes writes, and without queueing up before a closed door.

While no host answers, one request at a time tries to connect and all others are refused at once. So an outage costs each
of them milliseconds, the server is not greeted by a crowd when it comes back, and its return is noticed within a second.

A statement that has no answer long after the server itself should have given up means that the way there is broken, and
every connection with it: all are dropped, for each would cost somebody the same wait. They are dropped and not
cancelled: a cancelled commit that waits for a synchronous standby counts as committed on the primary alone, and is lost
with it (PostgreSQL, "Synchronous Replication").
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakSet

import asyncpg

from gatepass.core import database_url

CONNECT_LIMIT = 1.5
"""Seconds one host may take to let us in."""
BREATHER = 0.2
"""Seconds between two tries while no host answers."""
UNWATCHED_LIMIT = 12.0
"""Seconds for the answer to a statement that nobody watches, such as those that set a connection up."""

Connection: TypeAlias = "asyncpg.Connection[Any]"

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,  # it starts up, recovers or shuts down
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.InternalClientError,
)


class OutOfReach(ConnectionError):
    """No host lets us in, or none of them takes writes."""


class TlsFailed(OutOfReach):
    """TLS cannot be had as the URL asks for it: why, in words that name no host. Trying again does not help."""


class PostgresServer:
    """One server, on the one or several hosts that *url* names; the last that let us in is asked first."""

    def __init__(self, url: str) -> None:
        self._urls = database_url.per_host(url)
        self._files = database_url.tls_files(url)
        self._tls = ssl.create_default_context() if database_url.trusts_system(url) else None
        self._connections: WeakSet[Connection] = WeakSet()
        self._is_away = False
        self._is_trying = False
        self._try_at = 0.0

    async def connect(self, *, answers_within: float | None = UNWATCHED_LIMIT, **server_settings: str) -> Connection:
        """A new connection; a statement on it that nobody watches is given up after *answers_within* seconds.

        Raises OutOfReach, at once where somebody has just found out; TlsFailed; and what the server refuses.
        """
        loop = asyncio.get_running_loop()
        if self._is_away and (self._is_trying or loop.time() < self._try_at):
            raise OutOfReach("known to be away")
        self._is_trying = True
        try:
            connection = await self._first_that_answers(answers_within, server_settings)
        except OutOfReach:
            self._is_away, self._try_at = True, loop.time() + BREATHER
            raise
        finally:
            self._is_trying = False
        self._is_away = False
        self._connections.add(connection)
        return connection

    async def _first_that_answers(self, answers_within: float | None, server_settings: dict[str, str]) -> Connection:
        failure: BaseException | None = None
        for url in tuple(self._urls):
            try:
                connection: Connection = await asyncpg.connect(
                    url,
                    timeout=CONNECT_LIMIT,
                    command_timeout=answers_within,
                    server_settings=server_settings,
                    ssl=self._tls,
                )
            except _AWAY as error:
                failure = error
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                return connection
        if why := self._why_no_tls(failure):
            raise TlsFailed(why) from failure
        raise OutOfReach(type(failure).__name__) from failure

    def _why_no_tls(self, failure: BaseException | None) -> str | None:
        match failure:
            case ssl.SSLCertVerificationError():
                return f"the database's certificate is not trusted: {failure.verify_message or 'verification failed'}"
            case ConnectionError() if "rejected SSL upgrade" in str(failure):
                return "the database offers no TLS, and its URL asks for it"
            case ssl.SSLError():
                return f"TLS with the database failed: {failure.reason or 'no more is known'}"
            case OSError():
                for name, path in self._files.items():
                    if not Path(path).is_file():
                        return f"{name} in the database's URL names a file that is not there"
        return None

    def watch(self, connection: Connection, patience: float) -> Watch:
        """Drop every connection when a statement on this one has had no answer for *patience* seconds."""
        return Watch(self, connection, patience)

    def drop_all(self) -> None:
        """Let go of every connection after a broken line; who waits on one is told that it is lost."""
        self.let_go()
        self._is_away = True  # until the next try, which may be made at once

    def let_go(self) -> None:
        """The same without blame: nobody needs them any more."""
        for connection in tuple(self._connections):
            connection.terminate()
        self._connections.clear()


class Watch:
    """The clock of one connection in use, running from the first."""

    __slots__ = ("_connection", "_loop", "_patience", "_server", "_timer", "_until")

    def __init__(self, server: PostgresServer, connection: Connection, patience: float) -> None:
        self._server, self._connection, self._patience = server, connection, patience
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + patience
        self._timer = self._loop.call_later(patience, self._look)

    def again(self) -> None:
        """Another statement is sent: its answer may take as long again."""
        self._until = self._loop.time() + self._patience

    def stop(self) -> None:
        """The connection is idle."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._until - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif not self._connection.is_closed():
            self._server.drop_all()
