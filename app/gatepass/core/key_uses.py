"""When each API key was last used, and by what: so that whoever revokes one knows what will stop working.

An agent is what the caller calls itself, a mobile SDK or the first word of its User-Agent, without anything that could
be a person. Callers may call themselves anything, so of one key no more than MOST_AGENTS are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlalchemy import BigInteger, Column, Named, String, Table, TypedColumns, Uuid, exists, func, literal, or_, select

from gatepass.core.api_keys import api_keys
from gatepass.core.schema import DAY, metadata, upsert
from gatepass.core.unit import Caller, Unit

MOST_AGENTS = 12
"""Agents that are remembered of one key."""
KEPT = 400 * DAY
UNNAMED = ""
"""Stands for callers that do not say, and for those whose calls are answered without asking."""
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}(?:/[0-9][A-Za-z0-9_.-]{0,19})?")

Use = tuple[UUID, UUID, str]
"""A team, its key, an agent."""


class _KeyUseColumns(TypedColumns):
    team_id: Named[UUID] = Column(Uuid, index=True)
    key_id: Named[UUID] = Column(Uuid, primary_key=True)
    agent: Named[str] = Column(String(64), primary_key=True)
    first_at: Named[int] = Column(BigInteger)
    last_at: Named[int] = Column(BigInteger, index=True)


key_uses = Table("key_uses", metadata, _KeyUseColumns)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One agent that used a key. Instants in epoch ms."""

    key_id: UUID
    agent: str
    first_at: int
    last_at: int


def agent_of(caller: Caller) -> str:
    """What *caller* calls itself: `ios 4.1.2`, `okhttp/4.12.0`; UNNAMED where it says nothing that looks like a name."""
    return caller.sdk or _product(caller.user_agent)


@lru_cache(maxsize=1000)
def _product(user_agent: str) -> str:
    named = _PRODUCT.match(user_agent)
    return named[0] if named else UNNAMED


async def add(unit: Unit, uses: Mapping[Use, int]) -> None:
    """Note the instants (epoch ms) at which keys were used last; nothing of a key that is gone with its team.

    In one order, so that processes never lock crosswise.
    """
    for (team_id, key_id, agent), at in sorted(uses.items()):
        full = select(func.count()).select_from(key_uses).where(key_uses.c.key_id == key_id)
        known = exists().where(key_uses.c.key_id == key_id, key_uses.c.agent == agent)
        row = select(
            literal(team_id, Uuid),
            literal(key_id, Uuid),
            literal(agent),
            literal(at, BigInteger),
            literal(at, BigInteger),
        ).where(
            exists().where(api_keys.c.id == key_id),
            or_(literal(agent == UNNAMED), known, full.scalar_subquery() < MOST_AGENTS),
        )
        put = upsert(unit.db, key_uses).from_select(["team_id", "key_id", "agent", "first_at", "last_at"], row)
        await unit.db.execute(
            put.on_conflict_do_update(
                index_elements=[key_uses.c.key_id, key_uses.c.agent],
                set_={"last_at": put.excluded.last_at},
                where=key_uses.c.last_at < put.excluded.last_at,
            )
        )


async def list_of_key(unit: Unit, team_id: UUID, key_id: UUID) -> list[KeyUse]:
    """What used a key, the latest first."""
    rows = await unit.db.execute(
        select(key_uses.c.key_id, key_uses.c.agent, key_uses.c.first_at, key_uses.c.last_at)
        .where(key_uses.c.team_id == team_id, key_uses.c.key_id == key_id)
        .order_by(key_uses.c.last_at.desc(), key_uses.c.agent)
    )
    return [KeyUse(**row._mapping) for row in rows]


async def last_used(unit: Unit, team_id: UUID) -> dict[UUID, int]:
    """When each of a team's keys was used last (epoch ms); those never used are not among them."""
    rows = await unit.db.execute(
        select(key_uses.c.key_id, func.max(key_uses.c.last_at).label("last_at"))
        .where(key_uses.c.team_id == team_id)
        .group_by(key_uses.c.key_id)
    )
    return {row.key_id: row.last_at for row in rows}
