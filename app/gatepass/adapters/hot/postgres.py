"""The hot statements on PostgreSQL: arrays in, one round trip, autocommit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, any_, bindparam
from sqlalchemy.dialects import postgresql

from gatepass.adapters.database import ANSWER_LIMIT, LOCK_WAIT, STATEMENT_LIMIT, Database
from gatepass.adapters.hot import postgres_codes, postgres_sign_in
from gatepass.adapters.hot.driver import Found, Receipt, grant_of, list_in
from gatepass.adapters.postgres_server import Connection
from gatepass.core import access_tokens
from gatepass.core.otp import Asker
from gatepass.core.otp_shared import Asked, Guess, Judged
from gatepass.core.rotation import Ask
from gatepass.core.sessions import Grant, sessions
from gatepass.core.sign_in_tokens import Redemption, Vouching


class Postgres:
    """asyncpg in autocommit: one prepared statement over arrays. A lost connection costs one batch the long way."""

    def __init__(self, database: Database) -> None:
        assert database.server is not None
        self._server = database.server
        self._idle: list[Connection] = []

    async def rotate(self, asks: Sequence[Ask]) -> Mapping[UUID, Grant]:
        rows = await self._fetch(
            _ROTATE,
            [ask.session_id for ask in asks],
            [ask.generation for ask in asks],
            [ask.audience.surface.value for ask in asks],
            [ask.audience.team_id for ask in asks],
            [ask.audience.environment for ask in asks],
            [ask.now for ask in asks],
            [ask.idle_expires_at for ask in asks],
        )
        issued_at = {ask.session_id: ask.now for ask in asks}
        return {row[0]: grant_of(row, row[0], row[2], row[3], row[8] or (), issued_at[row[0]]) for row in rows}

    async def look(self, session_ids: Sequence[UUID]) -> Mapping[UUID, Found]:
        rows = await self._fetch(_LOOK, session_ids)
        return {row[0]: access_tokens.found_in(tuple(row)) for row in rows}

    async def note(self, receipts: Sequence[Receipt]) -> Mapping[UUID, bool]:
        await self._fetch(
            _NOTE,
            [receipt.session_id for receipt in receipts],
            [receipt.generation for receipt in receipts],
            [receipt.now for receipt in receipts],
            [receipt.sdk or None for receipt in receipts],
        )
        return {receipt.session_id: True for receipt in receipts}

    async def vouch(self, records: Sequence[Vouching]) -> Mapping[str, bool]:
        return await postgres_sign_in.vouch(self._fetch, records)

    async def redeem(self, redemptions: Sequence[Redemption]) -> Mapping[str, Grant]:
        return await postgres_sign_in.redeem(self._fetch, redemptions)

    async def meet(self, askers: Sequence[Mapping[str, Any]]) -> Mapping[bytes, Asker]:
        return await postgres_codes.meet(self._fetch, askers)

    async def begin(self, asked: Sequence[Asked]) -> Mapping[str, bool]:
        return await postgres_codes.begin(self._fetch, asked)

    async def recipients(self, transactions: Sequence[UUID]) -> Mapping[UUID, str]:
        return await postgres_codes.recipients(self._fetch, transactions)

    async def judge(self, guesses: Sequence[Guess]) -> Mapping[str, Judged]:
        return await postgres_codes.judge(self._fetch, guesses)

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        """One round trip on a connection of our own; one that fails is thrown away."""
        connection = self._take_idle() or await self._connect()
        watch = self._server.watch(connection, ANSWER_LIMIT)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        except BaseException:
            connection.terminate()
            raise
        finally:
            watch.stop()
        self._idle.append(connection)
        return rows

    def _take_idle(self) -> Connection | None:
        """One that waits and was not lost meanwhile: what is sent on a lost one may cost its callers a 503."""
        while self._idle:
            if not (connection := self._idle.pop()).is_closed():
                return connection
        return None

    async def _connect(self) -> Connection:
        connection = await self._server.connect(
            application_name="gatepass hot",
            jit="off",
            lock_timeout=str(int(LOCK_WAIT * 1000)),
            statement_timeout=str(int(STATEMENT_LIMIT * 1000)),
            # The one plan there is: walk the arrays in order, find each session by its key.
            enable_hashjoin="off",
            enable_mergejoin="off",
            enable_seqscan="off",
            plan_cache_mode="force_generic_plan",
        )
        await connection.set_type_codec("json", encoder=json.dumps, decoder=list_in, schema="pg_catalog")
        return connection

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_say_goodbye(connection) for connection in idle))


async def _say_goodbye(connection: Connection) -> None:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        await connection.close(timeout=1)


_ROTATE = """
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
_NOTE = """
UPDATE sessions AS s SET receipt_at = r.now, last_seen_at = r.now, sdk = COALESCE(r.sdk, s.sdk)
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS r(id, generation, now, sdk)
 WHERE s.id = r.id AND s.generation = r.generation AND s.receipt_at IS NULL AND s.ended_at IS NULL
"""
_LOOK = str(
    access_tokens.LOOK_AT.where(sessions.c.id == any_(bindparam("ids", type_=postgresql.ARRAY(Uuid)))).compile(
        dialect=postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
    )
)
