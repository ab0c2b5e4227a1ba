"""Deletion: seven days in which it can be taken back, then nothing personal is left.

Deleting frees the customer's name for the user at once and ends every session; undoing brings the user back, not the
sessions (contract junction, section 4). The session rows outlive the user, without anything personal, so that a phone
that comes back late still learns why it is signed out.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from gatepass.core import app_keys, audit, sessions, sign_in_tokens
from gatepass.core.errors import Conflict, NotFound, UserDeleted
from gatepass.core.ids import find_id
from gatepass.core.schema import DAY
from gatepass.core.unit import Unit
from gatepass.core.users import User, find_by_client_user_id, of, users

GRACE = 7 * DAY
PURGED_AT_ONCE = 100


async def delete_user(unit: Unit, team_id: UUID, user_id: UUID) -> User:
    """Schedule a user for deletion: its sessions end, its sign-in tokens die. Raises NotFound, UserDeleted."""
    row = (
        await unit.db.execute(
            select(users.c.deleted_at).where(users.c.id == user_id, users.c.team_id == team_id).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise NotFound("user")
    if row.deleted_at is not None:
        raise UserDeleted
    deleted = (
        await unit.db.execute(
            update(users).where(users.c.id == user_id).values(deleted_at=unit.now).returning(*users.c)
        )
    ).one()
    await sign_in_tokens.revoke_all(unit, user_id)
    await sessions.end_all(unit, team_id, user_id, sessions.Cause.USER_DELETED)
    await audit.record(unit, audit.Event.USER_DELETED, team_id=team_id, user_id=user_id)
    return of(deleted._mapping)


async def undelete_user(
    unit: Unit, team_id: UUID, *, user_id: UUID | None = None, client_user_id: str | None = None
) -> User:
    """Bring back a user within the grace period; of several with one *client_user_id*, the one deleted last.

    Raises NotFound when there is nothing to undo, Conflict when a living user has its client_user_id or mailbox by now.
    """
    query = (
        select(users)
        .where(users.c.team_id == team_id, users.c.deleted_at > unit.now - GRACE)
        .order_by(users.c.deleted_at.desc())
        .limit(1)
        .with_for_update()
    )
    query = query.where(users.c.id == user_id if user_id is not None else _goes_by(client_user_id or ""))
    row = (await unit.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("user")
    clash = Conflict("a living user has this client_user_id or address")
    if await find_by_client_user_id(unit, team_id, row.client_user_id or str(row.id)) is not None:
        raise clash
    statement = update(users).where(users.c.id == row.id).values(deleted_at=None).returning(*users.c)
    try:
        async with unit.db.begin_nested():
            restored = (await unit.db.execute(statement)).one()
    except IntegrityError:
        raise clash from None
    await audit.record(unit, audit.Event.USER_UNDELETED, team_id=team_id, user_id=row.id)
    return of(restored._mapping)


def _goes_by(client_user_id: str) -> ColumnElement[bool]:
    """Whom the customer called so; who has no such name goes by the user id."""
    named = users.c.client_user_id == client_user_id
    user_id = find_id(client_user_id)
    return named if user_id is None else or_(named, and_(users.c.client_user_id.is_(None), users.c.id == user_id))


async def purge_users(unit: Unit, most: int = PURGED_AT_ONCE) -> int:
    """Erase users whose grace is over, and what is personal in their sessions; how many there were."""
    due = select(users.c.id, users.c.team_id).where(users.c.deleted_at <= unit.now - GRACE).limit(most)
    rows = (await unit.db.execute(due.with_for_update(skip_locked=True))).all()
    for row in rows:
        await unit.db.execute(
            update(sessions.sessions)
            .where(sessions.sessions.c.user_id == row.id)
            .values(client_address=None, device_model=None, device_id=None, sdk=None)
        )
        await app_keys.forget(unit, row.team_id, row.id)
        await unit.db.execute(delete(users).where(users.c.id == row.id))
        await audit.record(unit, audit.Event.USER_PURGED, team_id=row.team_id, user_id=row.id)
    return len(rows)
