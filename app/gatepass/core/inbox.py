"""The inbox: where mail goes when no SMTP server is configured, and where test mode reads it.

Only ever filled by the inbox adapter, in development and test mode; production mail never touches it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Named, String, Table, Text, TypedColumns, Uuid, select

from gatepass.core.schema import metadata, upsert
from gatepass.core.unit import Unit


class _MessageColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid)
    to: Named[str] = Column(String(254))
    subject: Named[str] = Column(String(255))
    text: Named[str] = Column(Text)
    html: Named[str] = Column(Text)
    code: Named[str | None] = Column(String(10))
    transaction_id: Named[str | None] = Column(String(36))
    sent_at: Named[int] = Column(BigInteger)


messages = Table("messages", metadata, _MessageColumns, Index("ix_messages_team_id_id", "team_id", "id"))


@dataclass(frozen=True, slots=True)
class Message:
    """One mail as it would have left. *sent_at* epoch ms."""

    id: UUID
    team_id: UUID
    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    code: str | None = field(repr=False)
    transaction_id: str | None
    sent_at: int


async def put(unit: Unit, message: Message) -> None:
    """Keep one message; the same one twice is kept once."""
    await unit.db.execute(upsert(unit.db, messages).values(asdict(message)).on_conflict_do_nothing())


async def list_messages(unit: Unit, team_id: UUID, *, to: str | None = None) -> list[Message]:
    """A team's messages, oldest first; *to* is an address as typed."""
    query = select(messages).where(messages.c.team_id == team_id).order_by(messages.c.id)
    if to is not None:
        query = query.where(messages.c.to == to)
    return [Message(**row._mapping) for row in await unit.db.execute(query)]
