"""The devices that a user is signed in on, as their owner sees them: sessions, with what they say of themselves."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import or_, select, update

from gatepass.core import audit, users
from gatepass.core.errors import NotFound
from gatepass.core.sessions import Cause, Session, of, sessions
from gatepass.core.unit import Unit


async def list_open(unit: Unit, team_id: UUID, user_id: UUID, *, most: int = 200) -> list[Session]:
    """A user's open sessions, whatever opened them, the one seen last first; at most *most*."""
    s = sessions.c
    rows = await unit.db.execute(
        select(sessions)
        .where(
            s.user_id == user_id,
            s.team_id == team_id,
            s.ended_at.is_(None),
            s.idle_expires_at > unit.now,
            or_(s.absolute_expires_at.is_(None), s.absolute_expires_at > unit.now),
        )
        .order_by(s.last_seen_at.desc(), s.id.desc())
        .limit(most)
    )
    return [of(row._mapping) for row in rows]


async def named(unit: Unit, by: Session, session_ids: Collection[UUID]) -> dict[UUID, Session]:
    """Those of *session_ids* that are of the same user, open or not, as far as they are kept."""
    rows = await unit.db.execute(
        select(sessions).where(
            sessions.c.id.in_(session_ids), sessions.c.user_id == by.user_id, sessions.c.team_id == by.team_id
        )
    )
    return {row.id: of(row._mapping) for row in rows}


async def sign_out(unit: Unit, by: Session, session_id: UUID) -> None:
    """End one session of the user of *by*, that session itself or another. Done already is done.

    Raises NotFound for anybody else's.
    """
    if session_id not in await named(unit, by, [session_id]):
        raise NotFound("session")
    await _end(unit, by, [session_id])


async def sign_out_others(unit: Unit, by: Session) -> int:
    """End every open session of the user of *by* but this one; how many there were."""
    return await _end_all(unit, by, but=by.id)


async def sign_out_everywhere(unit: Unit, by: Session) -> int:
    """End every open session of the user of *by*, this one too; how many there were."""
    return await _end_all(unit, by, but=None)


async def _end_all(unit: Unit, by: Session, *, but: UUID | None) -> int:
    """Holds the user row first, so that a session that is being opened is either seen here or opened afterwards."""
    await users.lock(unit, by.team_id, by.user_id)
    found = await unit.db.scalars(
        select(sessions.c.id).where(
            sessions.c.user_id == by.user_id, sessions.c.team_id == by.team_id, sessions.c.ended_at.is_(None)
        )
    )
    return await _end(unit, by, [session_id for session_id in found if session_id != but])


async def _end(unit: Unit, by: Session, session_ids: list[UUID]) -> int:
    ended = (
        await unit.db.scalars(
            update(sessions)
            .where(sessions.c.id.in_(session_ids), sessions.c.ended_at.is_(None))
            .values(ended_at=unit.now, end_cause=Cause.SIGNED_OUT.value)
            .returning(sessions.c.id)
        )
    ).all()
    for session_id in ended:
        await audit.record(
            unit,
            audit.Event.SESSION_ENDED,
            team_id=by.team_id,
            user_id=by.user_id,
            session_id=session_id,
            detail={"cause": Cause.SIGNED_OUT.value, **({"by": str(by.id)} if session_id != by.id else {})},
        )
    return len(ended)
