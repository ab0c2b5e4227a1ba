"""The outbox: a mail is queued in the transaction that needs it, and leaves later.

Rows are claimed with a lease, so any number of workers may drain one outbox; a worker that dies loses its lease and
the mail is tried again under the same Message-ID. A mail whose code has died is never sent. What a mail says is sealed
under the server's secret while it waits and erased once it is settled, so a database dump holds no code.

A mail that no listed secret opens any more is refused, once, and holds up no other.

A mail that this very process can deliver at once is born under its lease and handed to the worker as soon as it is
committed (handover.py), so nobody need look for it; if the process dies with it, the lease runs out as any other.

A decoy is queued like any mail and thrown away by the worker, so that asking costs the same for every address.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Named,
    String,
    Table,
    TypedColumns,
    Update,
    Uuid,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from gatepass.core.facts import Fact
from gatepass.core.schema import MINUTE, SECOND, metadata
from gatepass.core.server_secret import SealBroken, ServerSecret
from gatepass.core.unit import Moment, Unit

_PURPOSE = "outbox"
LEASE = 90 * SECOND
"""Longer than one delivery may take (adapters/mail), so no two workers ever hold one mail."""
_FIRST_RETRY = 2 * SECOND
_LONGEST_RETRY = MINUTE
_AHEAD = LEASE + 2 * MINUTE
"""No mail is put off for as long: one that is due later has waited since before the clock jumped back."""


class State(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    EXPIRED = "expired"
    REFUSED = "refused"
    DISCARDED = "discarded"


class _OutboxColumns(TypedColumns):
    id: Named[UUID] = Column(Uuid, primary_key=True)
    team_id: Named[UUID] = Column(Uuid)
    state: Named[str] = Column(String(9))
    deliver: Named[bool] = Column(Boolean)
    sealed: Named[bytes | None] = Column(LargeBinary)
    created_at: Named[int] = Column(BigInteger)
    expires_at: Named[int] = Column(BigInteger)
    due_at: Named[int] = Column(BigInteger)
    tries: Named[int] = Column(Integer)
    settled_at: Named[int | None] = Column(BigInteger)
    last_failure: Named[str | None] = Column(String(100))


outbox = Table("outbox", metadata, _OutboxColumns, Index("ix_outbox_state_due_at", "state", "due_at"))


@dataclass(frozen=True, slots=True)
class CodeMail:
    """Everything the mail with a code says (contract elixir, section 10). *requested_at* epoch ms."""

    to: str
    application: str
    code: str = field(repr=False)
    transaction_id: str
    requested_at: int
    life_minutes: int
    locale: str

    @property
    def dated_at(self) -> int:
        return self.requested_at


@dataclass(frozen=True, slots=True)
class NewDeviceMail:
    """Everything the notice of a device's first sign-in says. *page* is where to sign it out, *signed_in_at* epoch ms."""

    to: str
    application: str
    device: str | None
    client_address: str
    signed_in_at: int
    page: str
    locale: str

    @property
    def dated_at(self) -> int:
        return self.signed_in_at


Mail = CodeMail | NewDeviceMail
_KIND = "kind"
_NOTICE = "new_device"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that this worker holds until its lease ends. *id* is its Message-ID in every try.

    One that is not for *delivery* is a decoy.
    """

    id: UUID
    team_id: UUID
    mail: Mail
    expires_at: int
    tries: int
    delivery: bool = True


def write(moment: Moment, *, team_id: UUID, mail: Mail, expires_at: int, deliver: bool) -> Claimed:
    """A new mail, to be queued; it may not leave after *expires_at* (ms), and as a decoy never."""
    return Claimed(moment.mint.uuid7(moment.now), team_id, mail, expires_at, tries=1, delivery=deliver)


async def queue(unit: Unit, written: Claimed) -> None:
    """Add a mail to the unit's transaction."""
    at_once = unit.handover.reserve() == 1
    if at_once:
        unit.handed_over.append(written)  # first, so that its place is free again where the row cannot be written
    else:
        unit.nudges_outbox = True
    await unit.db.execute(_QUEUE, row_of(unit.secret, written, unit.now, at_once=at_once))


_QUEUE = insert(outbox)


def row_of(secret: ServerSecret, written: Claimed, now: int, *, at_once: bool) -> dict[str, Any]:
    """A new mail as its row: under its lease where it is delivered *at_once*, else due."""
    return {
        "id": written.id,
        "team_id": written.team_id,
        "state": State.PENDING.value,
        "deliver": written.delivery,
        "sealed": secret.seal(_PURPOSE, json.dumps(_document(written.mail)).encode()),
        "created_at": now,
        "expires_at": written.expires_at,
        "due_at": now + LEASE if at_once else now,
        "tries": 1 if at_once else 0,
    }


def _document(mail: Mail) -> dict[str, Any]:
    """What is sealed. A mail with a code names no kind, so that an older process beside this one can still read it."""
    return asdict(mail) if isinstance(mail, CodeMail) else {_KIND: _NOTICE, **asdict(mail)}


async def claim(unit: Unit, most: int = 20, *, ahead: ColumnElement[int] | None = None) -> list[Claimed]:
    """Take up to *most* due mails under a lease; settle those past their life and the decoys on the way.

    *ahead*: by how many ms the clock that a row goes by is ahead of the unit's, where it has one of its own.
    """
    expire, take = _CLAIM if ahead is None else _claim(_NOW + ahead)
    given = {"now": unit.now, "most": most}
    await unit.db.execute(expire, given)
    claimed = await unit.db.execute(take, given)
    rows = sorted(claimed, key=lambda row: row.id)  # as they were queued
    await _settle(unit, State.DISCARDED, [row.id for row in rows if not row.deliver])
    mails = [(row, _unseal(unit, row.sealed)) for row in rows if row.deliver]
    await _settle(unit, State.REFUSED, [row.id for row, mail in mails if mail is None], "no listed secret opens it")
    return [
        Claimed(id=row.id, team_id=row.team_id, mail=mail, expires_at=row.expires_at, tries=row.tries)
        for row, mail in mails
        if mail is not None
    ]


def _claim(now: ColumnElement[int]) -> tuple[Update, ReturningUpdate[*tuple[Any, ...]]]:
    """What settles mails past their life at *now*, and what takes due ones, as many as are asked for."""
    is_due = or_(outbox.c.due_at <= now, outbox.c.due_at > now + _AHEAD)
    is_pending = outbox.c.state == State.PENDING.value
    due = (
        select(outbox.c.id)
        .where(is_pending, is_due)
        .order_by(outbox.c.due_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("due")  # looked up once; as a subquery PostgreSQL may run it again for each row, each time up to the limit
    )
    return (
        update(outbox)
        .where(is_pending, outbox.c.expires_at <= now)
        .values(state=State.EXPIRED.value, settled_at=_NOW, sealed=None),
        update(outbox)
        .where(outbox.c.id.in_(select(due.c.id)), is_pending, is_due)
        .values(due_at=now + LEASE, tries=outbox.c.tries + 1)
        .returning(*outbox.c),
    )


_NOW = bindparam("now", type_=BigInteger)
_CLAIM = _claim(_NOW)


def _unseal(unit: Unit, sealed: bytes | None) -> Mail | None:
    """What the row says, or None where it can never be read: sealed under a secret since dropped, or damaged."""
    try:
        document = json.loads(unit.secret.open(_PURPOSE, sealed or b""))
        return NewDeviceMail(**document) if document.pop(_KIND, None) == _NOTICE else CodeMail(**document)
    except (SealBroken, ValueError, TypeError, AttributeError):
        return None


async def _settle(unit: Unit, state: State, ids: Sequence[UUID], failure: str | None = None) -> set[UUID]:
    """Which of them were not settled before."""
    if not ids:
        return set()
    final = {"final": state.value, "now": unit.now, "failure": failure, "ids": ids}
    return set((await unit.db.scalars(_SETTLE, final)).all())


_SETTLE = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("ids", expanding=True)), outbox.c.state == State.PENDING.value)
    .values(state=bindparam("final"), settled_at=bindparam("now"), sealed=None, last_failure=bindparam("failure", None))
    .returning(outbox.c.id)
)


async def settle(unit: Unit, done: Sequence[Claimed], state: State, failure: str | None = None) -> None:
    """Claimed mails are done with: sent, refused for good with a word on why, or thrown away. Erases what they said."""
    settled = await _settle(unit, state, [claimed.id for claimed in done], failure)
    for claimed in done:
        if claimed.id in settled and claimed.delivery and isinstance(claimed.mail, CodeMail):
            unit.count(Fact.CODE_DELIVERED if state is State.SENT else Fact.CODE_REJECTED, claimed.team_id)


async def put_back(unit: Unit, claimed: Claimed, failure: str) -> int:
    """Try again later, doubling the wait up to a minute; the ms until then.

    Who has lost its lease puts nothing back: the mail is in other hands.
    """
    wait = int(min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** (claimed.tries - 1)))
    await unit.db.execute(
        update(outbox)
        .where(outbox.c.id == claimed.id, outbox.c.state == State.PENDING.value, outbox.c.tries == claimed.tries)
        .values(due_at=unit.now + wait, last_failure=failure[:100])
    )
    return wait


async def oldest_waiting(unit: Unit) -> int:
    """Age in ms of the oldest mail that should have left; 0 when none waits."""
    oldest = await unit.db.scalar(
        select(func.min(outbox.c.created_at)).where(
            outbox.c.state == State.PENDING.value, outbox.c.deliver.is_(True), outbox.c.expires_at > unit.now
        )
    )
    return 0 if oldest is None else max(0, unit.now - oldest)


@dataclass(frozen=True, slots=True)
class Standing:
    """How mail stands: how many wait, how many were refused or died in the last day, and the last refusal in a word."""

    waiting: int
    refused: int
    expired: int
    last_failure: str | None


async def read_standing(unit: Unit) -> Standing:
    """Of all teams; settled mails are known for a day."""
    o = outbox.c
    told = (State.PENDING, State.REFUSED, State.EXPIRED)
    counted = await unit.db.execute(
        select(o.state, func.count()).where(o.state.in_([*told]), o.deliver.is_(True)).group_by(o.state)
    )
    counts = {State(state): times for state, times in counted.all()}
    last = await unit.db.scalar(
        select(o.last_failure)
        .where(o.state.in_([State.PENDING.value, State.REFUSED.value]), o.last_failure.is_not(None))
        .order_by(o.due_at.desc())
        .limit(1)
    )
    waiting, refused, expired = (counts.get(state, 0) for state in told)
    return Standing(waiting, refused, expired, last)
