"""A hundred thousand users, each with a session, in a database of any revision."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.adapters.database import Database
from gatepass.core.mint import Mint
from gatepass.core.schema import DAY
from gatepass.core.sessions import sessions
from gatepass.core.teams import teams
from gatepass.core.users import users

MANY = 100_000
CHUNK = 5_000
NOW = 1_790_000_000_000


async def fill(database: Database, many: int = MANY) -> UUID:
    """Put the rows into a database whose tables may lack columns of today; the id of the team that owns them."""
    mint = Mint()
    team_id = mint.uuid4()
    async with database.writing(), database.engine.connect() as opened:
        db = await opened.execution_options(gatepass_writes=True)
        await _insert(db, teams, [{"id": team_id, "name": "Acme", "created_at": NOW}])
        for start in range(0, many, CHUNK):
            ids = [(mint.uuid4(), mint.uuid7(NOW)) for _ in range(min(CHUNK, many - start))]
            await _insert(db, users, [_user(team_id, user_id, start + n) for n, (user_id, _) in enumerate(ids)])
            await _insert(db, sessions, [_session(team_id, *both, start + n) for n, both in enumerate(ids)])
        await db.commit()
    return team_id


def _user(team_id: UUID, user_id: UUID, number: int) -> dict[str, Any]:
    return {
        "id": user_id,
        "team_id": team_id,
        "email": f"User.{number}@example.com",
        "email_identity": f"user.{number}@example.com",
        "email_verified": True,
        "nickname": f"Nick {number} \N{SNOWMAN}",
        "roles": ["GAMER"],
        "wallets": [],
        "test_user": False,
        "created_at": NOW + number,
        "banned_at": NOW if number % 100 == 0 else None,
    }


def _session(team_id: UUID, user_id: UUID, session_id: UUID, number: int) -> dict[str, Any]:
    return {
        "id": session_id,
        "team_id": team_id,
        "environment": "development",
        "surface": "elixir",
        "user_id": user_id,
        "generation": number % 1000,
        "rotated_at": NOW + number,
        "receipt_at": None if number % 3 else NOW + number,
        "late_replays": number % 8,
        "last_seen_at": NOW + number,
        "idle_expires_at": NOW + 10_000 * DAY,
        "opened_at": NOW,
        "ended_at": NOW if number % 100 == 0 else None,
        "end_cause": "banned" if number % 100 == 0 else None,
        "proof": "otp",
        "device_model": f"Phone {number % 50}",
    }


async def _insert(db: AsyncConnection, table: Table[Any], rows: list[dict[str, Any]]) -> None:
    there = await db.run_sync(lambda connection: {c["name"] for c in inspect(connection).get_columns(table.name)})
    needed = {column.name: _plain(column) for column in table.c if column.name in there and not column.nullable}
    await db.execute(table.insert(), [{**needed, **row} for row in rows])


def _plain(column: Any) -> Any:
    """A value for a column that a row says nothing of."""
    kind = column.type.python_type
    return {int: 0, bool: False, str: "", dict: {}}.get(kind)


async def columns_of(database: Database) -> dict[str, list[str]]:
    """The columns of the two tables, as they are now."""

    def look(connection: Connection) -> dict[str, list[str]]:
        inspector = inspect(connection)
        return {
            table.name: [column["name"] for column in inspector.get_columns(table.name)] for table in (users, sessions)
        }

    async with database.engine.connect() as db:
        return await db.run_sync(look)


async def digest(database: Database, columns: dict[str, list[str]]) -> dict[str, str]:
    """Of each table, how many rows and a digest of the *columns* of all of them."""
    digests = {}
    async with database.engine.connect() as db:
        for table in (users, sessions):
            wanted = [table.c[name] for name in columns[table.name]]
            rows, digested = 0, hashlib.sha256()
            async with db.stream(select(*wanted).order_by(table.c.id)) as result:
                async for row in result:
                    rows += 1
                    digested.update(repr(tuple(row)).encode())
            digests[table.name] = f"{rows} {digested.hexdigest()}"
    return digests
