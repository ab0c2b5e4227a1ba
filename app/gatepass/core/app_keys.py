"""The migration meter: which apps still carry a team's secret key instead of a sign-in token.

A mobile SDK names itself in a version header. A secret key that arrives with one has been shipped inside an app, where
anyone can read it; the meter counts those calls per user and SDK version until there are none left.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    delete,
    distinct,
    func,
    select,
)

from gatepass.core import teams
from gatepass.core.api_keys import api_keys
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
    """Calls of one user's app with a secret key, by its *visible* beginning the one it sent last.

    *user_id* is None for calls that named nobody. Instants in ms.
    """

    team_id: UUID
    user_id: UUID | None
    sdk: str
    key_id: UUID
    visible: str
    calls: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Meter:
    """How far a team is on the way from keys inside apps to sign-in tokens.

    *apps* counts users, all that named nobody as one more; *refused* is the team's switch.
    """

    calls: list[AppKeyCalls]
    apps: int
    refused: bool

    @property
    def verdict(self) -> str:
        """One line for people."""
        apps = {0: "no app carries a key any more", 1: "1 app still carries a key"}
        switch = "on" if self.refused else "off"
        return f"{apps.get(self.apps, f'{self.apps} apps still carry a key')}; refuse_app_keys is {switch}"


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
    """A team's calls, latest first; *since* epoch ms."""
    rows = await unit.db.execute(
        select(*app_key_calls.c, api_keys.c.visible)
        .join(api_keys, api_keys.c.id == app_key_calls.c.key_id)
        .where(app_key_calls.c.team_id == team_id, app_key_calls.c.last_at >= since)
        .order_by(app_key_calls.c.last_at.desc(), app_key_calls.c.user_id, app_key_calls.c.sdk)
        .limit(limit)
    )
    return [AppKeyCalls(**{**row._mapping, "user_id": row.user_id if row.user_id != NOBODY else None}) for row in rows]


async def read_meter(unit: Unit, team_id: UUID, *, since: int = 0, limit: int = 500) -> Meter:
    """What a team's apps did with its keys; *since* epoch ms. *limit* bounds the list, not the count. Raises NotFound."""
    team = await teams.get(unit, team_id)
    apps = await unit.db.scalar(
        select(func.count(distinct(app_key_calls.c.user_id))).where(
            app_key_calls.c.team_id == team_id, app_key_calls.c.last_at >= since
        )
    )
    return Meter(await list_calls(unit, team_id, since=since, limit=limit), apps or 0, team.refuse_app_keys)


async def forget(unit: Unit, team_id: UUID, user_id: UUID) -> None:
    """Erase what is counted of a user."""
    await unit.db.execute(
        delete(app_key_calls).where(app_key_calls.c.team_id == team_id, app_key_calls.c.user_id == user_id)
    )
