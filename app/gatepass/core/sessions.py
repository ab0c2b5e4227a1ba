"""Sessions: one row each, from the proof that opened it (sign_in.py) to the cause that ended it.

The row counts generations. A refresh token names a generation (refresh_tokens.py), so rotating is one compare-and-set,
and what a token is worth follows from the distance between its generation and the row's: see rotation.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    select,
    text,
    update,
)

from gatepass.core import audit
from gatepass.core.errors import NotFound
from gatepass.core.facts import Fact
from gatepass.core.schema import metadata
from gatepass.core.unit import Unit


class Surface(StrEnum):
    """Which dialect family a session lives in; its tokens work in no other."""

    ELIXIR = "elixir"
    JUNCTION = "junction"


class Proof(StrEnum):
    """What opened a session."""

    OTP = "otp"
    QR = "qr"
    REIKEY = "reikey"
    SIGN_IN_TOKEN = "sign_in_token"


class Cause(StrEnum):
    """Why a session ended. The whole list (design, section 3)."""

    SIGNED_OUT = "signed_out"
    REUSE = "reuse"
    BANNED = "banned"
    USER_DELETED = "user_deleted"
    EXPIRED = "expired"
    ADMIN = "admin"
    TEAM_GONE = "team_gone"


class _SessionColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid)
    environment: Named[str] = Column(String(11))
    surface: Named[str] = Column(String(8))
    user_id: Named[UUID] = Column(Uuid, index=True)
    generation: Named[int] = Column(BigInteger)
    rotated_at: Named[int] = Column(BigInteger)
    receipt_at: Named[int | None] = Column(BigInteger)
    late_replays: Named[int] = Column(Integer)
    last_seen_at: Named[int] = Column(BigInteger)
    idle_expires_at: Named[int] = Column(BigInteger)
    absolute_expires_at: Named[int | None] = Column(BigInteger)
    opened_at: Named[int] = Column(BigInteger)
    ended_at: Named[int | None] = Column(BigInteger)
    end_cause: Named[str | None] = Column(String(12))
    jkt: Named[str | None] = Column(String(43))
    proof: Named[str] = Column(String(13))
    opened_by: Named[UUID | None] = Column(Uuid)
    client_address: Named[str | None] = Column(String(45))
    device_model: Named[str | None] = Column(String(255))
    device_id: Named[str | None] = Column(String(255))
    sdk: Named[str | None] = Column(String(64))


sessions = Table("sessions", metadata, _SessionColumns)
REVOKED = text("ended_at IS NOT NULL AND surface = 'junction' AND end_cause <> 'team_gone'")
"""Sessions whose end is told one by one to whoever verifies their tokens offline: see revocations.py."""
Index("ix_sessions_ended_at", sessions.c.ended_at, sqlite_where=REVOKED, postgresql_where=REVOKED)


BROWSER = "browser"
"""What stands for an SDK in a session that a browser's cookie holds. No phone can say so (wiring.Runtime.caller)."""


class Session(NamedTuple):
    """One row of sessions. Instants in epoch ms. A tuple, as rows are: whoever verifies a token makes one."""

    id: UUID
    team_id: UUID
    environment: str
    surface: Surface
    user_id: UUID
    generation: int
    rotated_at: int
    receipt_at: int | None
    late_replays: int
    last_seen_at: int
    idle_expires_at: int
    absolute_expires_at: int | None
    opened_at: int
    ended_at: int | None
    end_cause: Cause | None
    jkt: str | None
    proof: Proof
    opened_by: UUID | None
    client_address: str | None
    device_model: str | None
    device_id: str | None
    sdk: str | None

    @property
    def is_browser(self) -> bool:
        """Whether a browser's cookie holds it, not a phone's tokens (account_browsers.py)."""
        return self.sdk == BROWSER

    def is_expired(self, now: int) -> bool:
        """Whether the idle or the absolute limit has passed at *now*."""
        return self.idle_expires_at <= now or (self.absolute_expires_at is not None and self.absolute_expires_at <= now)

    def is_open(self, now: int) -> bool:
        return self.ended_at is None and not self.is_expired(now)


def of(row: Mapping[Any, Any]) -> Session:
    """The session in a row of all its columns."""
    return Session(
        **{
            **row,
            "surface": Surface(row["surface"]),
            "proof": Proof(row["proof"]),
            "end_cause": Cause(row["end_cause"]) if row["end_cause"] else None,
        }
    )


_NAMES = [column.name for column in sessions.c]
_SURFACE, _PROOF, _END_CAUSE = (_NAMES.index(name) for name in ("surface", "proof", "end_cause"))


def of_columns(row: Iterable[Any]) -> Session:
    """The same from the bare values, in the table's order: what a driver hands out, without names."""
    values = list(row)
    values[_SURFACE] = Surface(values[_SURFACE])
    values[_PROOF] = Proof(values[_PROOF])
    if values[_END_CAUSE] is not None:
        values[_END_CAUSE] = Cause(values[_END_CAUSE])
    return Session._make(values)


@dataclass(frozen=True, slots=True)
class Audience:
    """Where a caller stands: a session opened elsewhere does not exist for it.

    *team_id* and *environment* are None where the caller brings no key (Junction's token endpoint). *region* decides
    nothing; a session opened here says it in its tokens.
    """

    surface: Surface
    team_id: UUID | None = None
    environment: str | None = None
    region: str = ""

    def holds(self, session: Session) -> bool:
        """Whether *session* is within reach."""
        return (
            session.surface is self.surface
            and self.team_id in (None, session.team_id)
            and self.environment in (None, session.environment)
        )

    def covers(self) -> list[ColumnElement[bool]]:
        """The same, as conditions on sessions."""
        conditions = [sessions.c.surface == self.surface.value]
        if self.team_id is not None:
            conditions.append(sessions.c.team_id == self.team_id)
        if self.environment is not None:
            conditions.append(sessions.c.environment == self.environment)
        return conditions


@dataclass(frozen=True, slots=True)
class Device:
    """How a phone describes itself; labels, proof of nothing (contract elixir, section 4.5).

    *languages* are those it asks for, best first, comma-separated; they are not kept.
    """

    model: str | None = None
    id: str | None = None
    languages: str = ""


class Grant(NamedTuple):
    """What a session hands out: enough to spell a refresh token and to sign an access token, after the commit."""

    session_id: UUID
    generation: int
    user_id: UUID
    team_id: UUID
    environment: str
    region: str
    surface: Surface
    email: str | None
    roles: tuple[str, ...]
    jkt: str | None
    issued_at: int


async def end(unit: Unit, session_id: UUID, cause: Cause, **detail: int) -> bool:
    """End one session; immediate and final. False when it had ended before. *detail* joins the cause in the event."""
    row = (
        await unit.db.execute(
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
            .values(ended_at=unit.now, end_cause=cause.value)
            .returning(sessions.c.team_id, sessions.c.user_id)
        )
    ).one_or_none()
    if row is None:
        return False
    await audit.record(
        unit,
        audit.Event.SESSION_ENDED,
        team_id=row.team_id,
        user_id=row.user_id,
        session_id=session_id,
        detail={"cause": cause.value, **detail},
    )
    if cause is Cause.REUSE:
        unit.count(Fact.REUSE, row.team_id)
    return True


async def end_all(unit: Unit, team_id: UUID, user_id: UUID, cause: Cause) -> int:
    """End every open session of a user; how many there were."""
    rows = (
        await unit.db.execute(
            update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.team_id == team_id, sessions.c.ended_at.is_(None))
            .values(ended_at=unit.now, end_cause=cause.value)
            .returning(sessions.c.id)
        )
    ).all()
    for row in rows:
        await audit.record(
            unit,
            audit.Event.SESSION_ENDED,
            team_id=team_id,
            user_id=user_id,
            session_id=row.id,
            detail={"cause": cause.value},
        )
    return len(rows)


async def note_receipt(unit: Unit, session_id: UUID, generation: int) -> None:
    """Remember that this generation arrived: its predecessor is spent for good (design, section 3).

    With it, when the session was last seen, and by which SDK where the caller names one (contract junction, C5).
    """
    seen: dict[str, object] = {"receipt_at": unit.now, "last_seen_at": unit.now}
    if unit.caller.sdk:
        seen["sdk"] = unit.caller.sdk
    await unit.db.execute(
        update(sessions)
        .where(
            sessions.c.id == session_id,
            sessions.c.generation == generation,
            sessions.c.receipt_at.is_(None),
            sessions.c.ended_at.is_(None),
        )
        .values(seen)
    )


async def find(unit: Unit, session_id: UUID) -> Session | None:
    """The session of that id, open or not, or None."""
    row = (await unit.db.execute(select(sessions).where(sessions.c.id == session_id))).one_or_none()
    return of(row._mapping) if row is not None else None


async def get(unit: Unit, session_id: UUID, *, team_id: UUID | None = None) -> Session:
    """The session of that id, within one team if given. Raises NotFound."""
    session = await find(unit, session_id)
    if session is None or team_id not in (None, session.team_id):
        raise NotFound("session")
    return session


async def list_of_user(unit: Unit, team_id: UUID, user_id: UUID) -> list[Session]:
    """A user's sessions, newest first, ended ones too while they are kept."""
    rows = await unit.db.execute(
        select(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.team_id == team_id)
        .order_by(sessions.c.id.desc())
    )
    return [of(row._mapping) for row in rows]
