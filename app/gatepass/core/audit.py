"""What happened, for good: an append-only list with closed event names.

An event holds ids and closed words, never a secret and never text that a stranger chose. A rotation writes none: the
session's generation says it all, and the hot path stays one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Named,
    String,
    Table,
    TypedColumns,
    Uuid,
    insert,
    select,
)

from gatepass.core.ids import first_id
from gatepass.core.schema import metadata

if TYPE_CHECKING:
    from gatepass.core.mint import Mint
    from gatepass.core.unit import Unit


class Event(StrEnum):
    """Every event there is."""

    TEAM_CREATED = "team_created"
    TEAM_CHANGED = "team_changed"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_BANNED = "user_banned"
    USER_UNBANNED = "user_unbanned"
    USER_DELETED = "user_deleted"
    USER_UNDELETED = "user_undeleted"
    USER_PURGED = "user_purged"
    OTP_LOCKED = "otp_locked"
    SIGN_IN_TOKEN_ISSUED = "sign_in_token_issued"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    SIGNING_KEY_EXPORTED = "signing_key_exported"
    TEAM_REMOVED = "team_removed"
    QR_SHOWN = "qr_shown"
    SESSION_OPENED = "session_opened"
    SESSION_ENDED = "session_ended"
    REFRESH_RECOVERED = "refresh_recovered"
    REUSE_UNHEARD = "reuse_unheard"
    GENERATION_ADOPTED = "generation_adopted"
    OPERATOR_CREATED = "operator_created"
    OPERATOR_REMOVED = "operator_removed"
    OPERATOR_LINK_MADE = "operator_link_made"
    OPERATOR_PASSWORD_SET = "operator_password_set"
    OPERATOR_SIGNED_IN = "operator_signed_in"


class _AuditColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    at: Named[int] = Column(BigInteger)
    event: Named[str] = Column(String(24))
    team_id: Named[UUID | None] = Column(Uuid)
    user_id: Named[UUID | None] = Column(Uuid)
    session_id: Named[UUID | None] = Column(Uuid)
    detail: Named[Any] = Column(JSON)


audit_events = Table(
    "audit_events",
    metadata,
    _AuditColumns,
    Index("ix_audit_events_session_id", "session_id"),
    Index("ix_audit_events_team_id_id", "team_id", "id"),
    Index("ix_audit_events_user_id_id", "user_id", "id"),
    Index("ix_audit_events_event_id", "event", "id"),
)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event: *at* epoch ms, *detail* of closed words and numbers."""

    id: UUID
    at: int
    event: Event
    team_id: UUID | None
    user_id: UUID | None
    session_id: UUID | None
    detail: dict[str, Any]


async def record(
    unit: Unit,
    event: Event,
    *,
    team_id: UUID | None = None,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one event to the unit's transaction. Who did it in the console is written beside what happened."""
    told = {**(detail or {}), **_by(unit)}
    await append(
        unit, row(unit.mint, unit.now, event, team_id=team_id, user_id=user_id, session_id=session_id, detail=told)
    )


def _by(unit: Unit) -> dict[str, str]:
    return {"by_operator": str(unit.caller.operator_id)} if unit.caller.operator_id is not None else {}


async def append(unit: Unit, given: dict[str, Any]) -> None:
    """The same for a row that was made beforehand."""
    await unit.db.execute(_APPEND, given)


def row(
    mint: Mint,
    now: int,
    event: Event,
    *,
    team_id: UUID | None = None,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One event at *now* (ms) as a row, for a statement that appends it beside other things."""
    return {
        "id": mint.uuid7(now),
        "at": now,
        "event": event.value,
        "team_id": team_id,
        "user_id": user_id,
        "session_id": session_id,
        "detail": detail or {},
    }


async def record_of_each(
    unit: Unit, event: Event, concerned: Sequence[tuple[UUID, UUID, UUID]], detail: dict[str, Any]
) -> None:
    """Append the same event for each of *concerned*: team, user and session."""
    told = {**detail, **_by(unit)}
    rows = [
        row(unit.mint, unit.now, event, team_id=team_id, user_id=user_id, session_id=session_id, detail=told)
        for team_id, user_id, session_id in concerned
    ]
    if rows:
        await unit.db.execute(_APPEND, rows)


_APPEND = insert(audit_events)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events: those that meet all that is given. From *since* on and before *until*, epoch ms."""

    team_id: UUID | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    event: Event | None = None
    since: int | None = None
    until: int | None = None

    def conditions(self, unit: Unit) -> list[ColumnElement[bool]]:
        """The same in SQL. Ids are in the order of time, so an instant bounds them too, and the walk through them ends.

        No id says a later instant than its event. It says another one where a seed draws the ids, in test mode alone.
        """
        e = audit_events.c
        named: dict[Column[Any], object] = {
            e.team_id: self.team_id,
            e.user_id: self.user_id,
            e.session_id: self.session_id,
            e.event: self.event,
        }
        conditions: list[ColumnElement[bool]] = []
        conditions += [column == value for column, value in named.items() if value is not None]
        if self.since is not None:
            conditions.append(e.at >= self.since)
            if not unit.policy.test_mode:
                conditions.append(e.id >= first_id(self.since))
        if self.until is not None:
            conditions += [e.at < self.until, e.id < first_id(self.until)]
        return conditions


EVERYTHING = Filter()


async def list_events(
    unit: Unit,
    wanted: Filter = EVERYTHING,
    *,
    before: UUID | None = None,
    limit: int = 100,
) -> list[AuditEvent]:
    """Newest first, at most *limit*; *before* is the id of the last event already seen."""
    query = select(audit_events).where(*wanted.conditions(unit)).order_by(audit_events.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_events.c.id < before)
    return [AuditEvent(**{**row._mapping, "event": Event(row.event)}) for row in await unit.db.execute(query)]
