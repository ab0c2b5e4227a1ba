"""Users by the page: for operators who look for one, for SDKs that list them, for whoever takes all of them along."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from sqlalchemy import func, or_, select, tuple_

from gatepass.core.unit import Unit
from gatepass.core.users import User, of, users


async def list_page(
    unit: Unit,
    team_id: UUID,
    *,
    search: str = "",
    banned: bool | None = None,
    deleted: bool = False,
    offset: int = 0,
    limit: int = 100,
) -> tuple[list[User], int]:
    """A page of living users, newest first, and how many there are; with *deleted*, of those in their grace period.

    *search* is part of an address, or an exact id.
    """
    where = [users.c.team_id == team_id, users.c.deleted_at.is_not(None) if deleted else users.c.deleted_at.is_(None)]
    if search:
        escaped = search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        matches = [users.c.email_identity.like(f"%{escaped}%", escape="\\"), users.c.client_user_id == search]
        with suppress(ValueError):
            matches.append(users.c.id == UUID(search))
        where.append(or_(*matches))
    if banned is not None:
        where.append(users.c.banned_at.is_not(None) if banned else users.c.banned_at.is_(None))
    rows = await unit.db.execute(
        select(users).where(*where).order_by(users.c.created_at.desc(), users.c.id.desc()).offset(offset).limit(limit)
    )
    page = [of(row._mapping) for row in rows]
    total = await unit.db.scalar(select(func.count()).select_from(users).where(*where))
    return page, total or 0


async def list_after(unit: Unit, team_id: UUID, last: User | None, limit: int) -> list[User]:
    """The next living users after *last*, oldest first: pages that stay whole while accounts come and go."""
    query = select(users).where(users.c.team_id == team_id, users.c.deleted_at.is_(None))
    if last is not None:
        query = query.where(tuple_(users.c.created_at, users.c.id) > (last.created_at, last.id))
    rows = await unit.db.execute(query.order_by(users.c.created_at, users.c.id).limit(limit))
    return [of(row._mapping) for row in rows]
