"""The inbox: where mail goes when no SMTP server is configured, and where test mode reads it.

Only ever filled by the inbox adapter, in development and test mode; production mail never touches it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Named,
    String,
    Table,
    Text,
    TypedColumns,
    Uuid,
    func,
    literal,
    select,
)

from gatepass.core.schema import metadata, upsert
from gatepass.core.teams import teams
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
    number: Named[int] = Column(Integer)


messages = Table("messages", metadata, _MessageColumns, Index("ix_messages_team_id_id", "team_id", "id"))


@dataclass(frozen=True, slots=True)
class Message:
    """One mail as it would have left. *sent_at* epoch ms; *number* counts a team's mails as they arrive, from 1."""

    id: UUID
    team_id: UUID
    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    code: str | None = field(repr=False)
    transaction_id: str | None
    sent_at: int
    number: int = 0


async def put(unit: Unit, message: Message) -> None:
    """Keep one message as its team's latest; the same one twice is kept once, and none where the team is gone.

    The team's row is held meanwhile: messages that arrive at once would get one number.
    """
    team = select(teams.c.id).where(teams.c.id == message.team_id).with_for_update(key_share=True)
    if await unit.db.scalar(team) is None:
        return
    latest = select(func.coalesce(func.max(messages.c.number), 0)).where(messages.c.team_id == message.team_id)
    columns = {name: literal(value, messages.c[name].type) for name, value in asdict(message).items()}
    row = select(*{**columns, "number": latest.scalar_subquery() + 1}.values())
    await unit.db.execute(upsert(unit.db, messages).from_select(list(columns), row).on_conflict_do_nothing())


async def list_messages(
    unit: Unit, team_id: UUID, *, to: str | None = None, after: UUID | None = None
) -> list[Message]:
    """A team's messages as they arrived; *to* is an address in any case, *after* the id of a message seen before."""
    query = select(messages).where(messages.c.team_id == team_id).order_by(messages.c.number, messages.c.id)
    if to is not None:
        query = query.where(func.lower(messages.c.to) == to.lower())
    if after is not None:
        seen = select(messages.c.number).where(messages.c.team_id == team_id, messages.c.id == after).scalar_subquery()
        query = query.where(messages.c.number > func.coalesce(seen, 0))
    return [Message(**row._mapping) for row in await unit.db.execute(query)]
