"""How many there are: a team's users and its open sessions, counted when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import case, func, or_, select

from gatepass.core.sessions import sessions
from gatepass.core.unit import Unit
from gatepass.core.users import users


@dataclass(frozen=True, slots=True)
class Census:
    """*open_sessions* by environment and surface; *deleted* are in their grace period."""

    users: int
    banned: int
    deleted: int
    open_sessions: dict[tuple[str, str], int]

    def open_in(self, environment: str | None, surface: str) -> int:
        """Open sessions of one surface, of one environment if given."""
        return sum(
            count
            for (where, dialect), count in self.open_sessions.items()
            if dialect == surface and environment in (None, where)
        )

    @property
    def open(self) -> int:
        return sum(self.open_sessions.values())


async def take(unit: Unit, team_id: UUID) -> Census:
    """Count a team's users and open sessions."""
    living = users.c.deleted_at.is_(None)
    row = (
        await unit.db.execute(
            select(
                func.count(case((living, 1))).label("living"),
                func.count(case((living & users.c.banned_at.is_not(None), 1))).label("banned"),
                func.count(users.c.deleted_at).label("deleted"),
            ).where(users.c.team_id == team_id)
        )
    ).one()
    s = sessions.c
    found = await unit.db.execute(
        select(s.environment, s.surface, func.count().label("many"))
        .where(
            s.team_id == team_id,
            s.ended_at.is_(None),
            s.idle_expires_at > unit.now,
            or_(s.absolute_expires_at.is_(None), s.absolute_expires_at > unit.now),
        )
        .group_by(s.environment, s.surface)
    )
    return Census(row.living, row.banned, row.deleted, {(one.environment, one.surface): one.many for one in found})
