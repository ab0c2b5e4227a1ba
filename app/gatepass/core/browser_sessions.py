"""What a browser's cookie stands for: an operator of the console, or a user of one team's account pages.

The cookie's value is random and stored as a digest only. Whoever signs in gets a new one, so a value that was planted
before is worth nothing afterwards. A browser session never outlives what it stands for: the callers join it to the
operator, or to the user, at every look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    and_,
    delete,
    insert,
    select,
    update,
)

from gatepass.core.schema import DAY, HOUR, MINUTE, metadata
from gatepass.core.server_secret import sha256
from gatepass.core.unit import Unit


class Kind(StrEnum):
    OPERATOR = "operator"
    USER = "user"


IDLE = {Kind.OPERATOR: 12 * HOUR, Kind.USER: 12 * HOUR}
"""How long one lives without a request, in ms."""
ABSOLUTE = {Kind.OPERATOR: 7 * DAY, Kind.USER: 30 * DAY}
"""How long one lives at most, in ms."""
SEEN_EVERY = MINUTE
"""How finely it is known when one was last seen: a request within it writes nothing."""


class _BrowserSessionColumns(TypedColumns):
    digest: Named[bytes] = Column(LargeBinary(32), primary_key=True)
    id: Named[UUID] = Column(Uuid, unique=True)
    kind: Named[str] = Column(String(8))
    operator_id: Named[UUID | None] = Column(Uuid)
    team_id: Named[UUID | None] = Column(Uuid)
    user_id: Named[UUID | None] = Column(Uuid)
    session_id: Named[UUID | None] = Column(Uuid)
    client_address: Named[str | None] = Column(String(45))
    user_agent: Named[str | None] = Column(String(255))
    opened_at: Named[int] = Column(BigInteger)
    seen_at: Named[int] = Column(BigInteger)
    idle_expires_at: Named[int] = Column(BigInteger, index=True)
    absolute_expires_at: Named[int] = Column(BigInteger)


browser_sessions = Table(
    "browser_sessions",
    metadata,
    _BrowserSessionColumns,
    Index("ix_browser_sessions_operator_id", "operator_id"),
    Index("ix_browser_sessions_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One browser that is signed in. *id* names it to its owner; instants in epoch ms.

    A user's holds the session *session_id* (account_browsers.py).
    """

    id: UUID
    kind: Kind
    operator_id: UUID | None
    team_id: UUID | None
    user_id: UUID | None
    session_id: UUID | None
    client_address: str | None
    user_agent: str | None
    opened_at: int
    seen_at: int
    idle_expires_at: int
    absolute_expires_at: int

    def is_due(self, now: int) -> bool:
        """Whether it is time to write down that it was seen."""
        return now - self.seen_at >= SEEN_EVERY


def of(row: Mapping[Any, Any]) -> BrowserSession:
    """The browser session in a row of all its columns."""
    return BrowserSession(**{**{name: row[name] for name in BrowserSession.__slots__}, "kind": Kind(row["kind"])})


async def open_for_operator(unit: Unit, value: str, operator_id: UUID) -> BrowserSession:
    """Let the cookie *value*, new and random, stand for that operator."""
    return await _open(unit, value, Kind.OPERATOR, operator_id=operator_id)


async def open_for_user(unit: Unit, value: str, team_id: UUID, user_id: UUID, session_id: UUID) -> BrowserSession:
    """Let the cookie *value*, new and random, stand for that user of that team, in that session."""
    return await _open(unit, value, Kind.USER, team_id=team_id, user_id=user_id, session_id=session_id)


async def _open(
    unit: Unit,
    value: str,
    kind: Kind,
    *,
    operator_id: UUID | None = None,
    team_id: UUID | None = None,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
) -> BrowserSession:
    row = (
        await unit.db.execute(
            insert(browser_sessions)
            .values(
                digest=sha256(value),
                id=unit.mint.uuid4(),
                kind=kind.value,
                operator_id=operator_id,
                team_id=team_id,
                user_id=user_id,
                session_id=session_id,
                client_address=unit.caller.address or None,
                user_agent=unit.caller.user_agent or None,
                opened_at=unit.now,
                seen_at=unit.now,
                idle_expires_at=unit.now + IDLE[kind],
                absolute_expires_at=unit.now + ABSOLUTE[kind],
            )
            .returning(*browser_sessions.c)
        )
    ).one()
    return of(row._mapping)


def alive(now: int) -> ColumnElement[bool]:
    """A row that has not run out at *now* (ms), as SQL."""
    return and_(browser_sessions.c.idle_expires_at > now, browser_sessions.c.absolute_expires_at > now)


async def find(unit: Unit, value: str | None, kind: Kind) -> BrowserSession | None:
    """The living session of *kind* behind a cookie's *value*, or None."""
    if value is None:
        return None
    row = (
        await unit.db.execute(
            select(browser_sessions).where(
                browser_sessions.c.digest == sha256(value), browser_sessions.c.kind == kind.value, alive(unit.now)
            )
        )
    ).one_or_none()
    return of(row._mapping) if row is not None else None


async def note_seen(unit: Unit, session: BrowserSession) -> None:
    """Move its idle life on."""
    await unit.db.execute(
        update(browser_sessions)
        .where(browser_sessions.c.id == session.id, alive(unit.now))
        .values(seen_at=unit.now, idle_expires_at=unit.now + IDLE[session.kind])
    )


async def close(unit: Unit, value: str | None) -> None:
    """Let a cookie's *value* stand for nothing."""
    if value is not None:
        await unit.db.execute(delete(browser_sessions).where(browser_sessions.c.digest == sha256(value)))


async def close_one(unit: Unit, session_id: UUID, owner: UUID) -> bool:
    """End the browser session of that id, if it is the operator's or user's with the id *owner*; whether it was."""
    ended = await unit.db.execute(
        delete(browser_sessions)
        .where(browser_sessions.c.id == session_id, _is_of(owner))
        .returning(browser_sessions.c.id)
    )
    return ended.one_or_none() is not None


async def close_all(unit: Unit, owner: UUID, *, but: UUID | None = None) -> int:
    """End every browser session of an operator or user, except the one with the id *but*; how many there were."""
    query = delete(browser_sessions).where(_is_of(owner))
    if but is not None:
        query = query.where(browser_sessions.c.id != but)
    return (await unit.db.execute(query)).rowcount


async def list_of(unit: Unit, owner: UUID) -> list[BrowserSession]:
    """The living browser sessions of an operator or user, the one seen last first."""
    rows = await unit.db.execute(
        select(browser_sessions)
        .where(_is_of(owner), alive(unit.now))
        .order_by(browser_sessions.c.seen_at.desc(), browser_sessions.c.id)
    )
    return [of(row._mapping) for row in rows]


def _is_of(owner: UUID) -> ColumnElement[bool]:
    return (browser_sessions.c.operator_id == owner) | (browser_sessions.c.user_id == owner)
