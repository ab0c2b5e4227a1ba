"""The migration meter: which apps still carry a team's secret key instead of a sign-in token.

A mobile SDK names itself in a version header. A secret key that arrives with one has been shipped inside an app, where
anyone can read it; the meter counts those calls per user and SDK version until there are none left.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, Column, Integer, Named, String, Table, TypedColumns, Uuid, select

from gatepass.core.schema import metadata, upsert
from gatepass.core.unit import Unit

NOBODY = UUID(int=0)


class _AppKeyColumns(TypedColumns):
    team_id: Named[UUID] = Column(Uuid, primary_key=True)
    user_id: Named[UUID] = Column(Uuid, primary_key=True)
    sdk: Named[str] = Column(String(64), primary_key=True)
    key_id: Named[UUID] = Column(Uuid)
    calls: Named[int] = Column(Integer)
    first_at: Named[int] = Column(BigInteger)
    last_at: Named[int] = Column(BigInteger)


app_key_calls = Table("app_key_calls", metadata, _AppKeyColumns)


@dataclass(frozen=True, slots=True)
class AppKeyCalls:
    """Calls of one user's app with a secret key. *user_id* is None for calls that named nobody. Instants in ms."""

    team_id: UUID
    user_id: UUID | None
    sdk: str
    key_id: UUID
    calls: int
    first_at: int
    last_at: int


async def note(unit: Unit, team_id: UUID, key_id: UUID, user_id: UUID | None) -> None:
    """Count one call of the unit's caller, which named its SDK."""
    insert = upsert(unit.db, app_key_calls).values(
        team_id=team_id,
        user_id=user_id or NOBODY,
        sdk=unit.caller.sdk,
        key_id=key_id,
        calls=1,
        first_at=unit.now,
        last_at=unit.now,
    )
    await unit.db.execute(
        insert.on_conflict_do_update(
            index_elements=[app_key_calls.c.team_id, app_key_calls.c.user_id, app_key_calls.c.sdk],
            set_={"calls": app_key_calls.c.calls + 1, "last_at": unit.now, "key_id": key_id},
        )
    )


async def list_calls(unit: Unit, team_id: UUID, *, since: int = 0, limit: int = 500) -> list[AppKeyCalls]:
    """A team's meter, latest call first; *since* epoch ms."""
    rows = await unit.db.execute(
        select(app_key_calls)
        .where(app_key_calls.c.team_id == team_id, app_key_calls.c.last_at >= since)
        .order_by(app_key_calls.c.last_at.desc(), app_key_calls.c.user_id)
        .limit(limit)
    )
    return [AppKeyCalls(**{**row._mapping, "user_id": row.user_id if row.user_id != NOBODY else None}) for row in rows]
