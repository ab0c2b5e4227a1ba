"""What is thrown away, and when: rows that no answer depends on any more, in small batches.

Most rows name the instant they died in an indexed column. Mails and audit events are found through their ids, which are
UUIDv7 and therefore in the order of time. Sessions have neither an index on their limits (a rotation would have to
write it) nor a death in the order of their ids, so they are walked, a stretch at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, and_, delete, or_, select, tuple_

from gatepass.core import (
    audit,
    browser_sessions,
    daily_counts,
    dpop,
    inbox,
    key_uses,
    known_clients,
    limits,
    operators,
    otp,
    outbox,
    qr,
    sessions,
    sign_in_tokens,
)
from gatepass.core.ids import first_id
from gatepass.core.schema import DAY
from gatepass.core.sessions import Surface
from gatepass.core.unit import Unit

BATCH = 500
KEPT_AFTER_EXPIRY = 30 * DAY
"""How long a session that ran out can still be explained."""
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of *table* that are *dead*, a condition on the instant *now* (ms), go in the order of *by*."""

    table: Table[Any]
    by: Column[Any]
    dead: Callable[[int], ColumnElement[bool]]


def _past(column: Column[Any], kept: int = 0) -> Rule:
    """Rows whose indexed *column* lies *kept* ms back."""
    return Rule(column.table, column, lambda now: column <= now - kept)


def _aged(id_column: Column[Any], at: Column[Any], kept: int) -> Rule:
    """Rows whose instant *at*, never before the one in their id, lies *kept* ms back."""
    return Rule(id_column.table, id_column, lambda now: and_(id_column < first_id(now - kept + 1), at <= now - kept))


RULES = (
    _past(otp.otp_transactions.c.expires_at, DAY),
    _past(qr.qr_codes.c.expires_at, DAY),
    _past(sign_in_tokens.sign_in_tokens.c.expires_at, DAY),
    _past(dpop.dpop_proofs.c.expires_at),
    _past(limits.limits.c.resets_at),
    _past(known_clients.known_clients.c.seen_at, known_clients.MEMORY),
    _past(daily_counts.daily_counts.c.day, daily_counts.KEPT),
    _past(key_uses.key_uses.c.last_at, key_uses.KEPT),
    _past(browser_sessions.browser_sessions.c.idle_expires_at),
    _past(operators.operator_links.c.expires_at),
    _aged(outbox.outbox.c.id, outbox.outbox.c.settled_at, DAY),
    _aged(inbox.messages.c.id, inbox.messages.c.sent_at, 7 * DAY),
    _aged(audit.audit_events.c.id, audit.audit_events.c.at, 400 * DAY),
)


async def batch(unit: Unit, rule: Rule) -> int:
    """Delete up to 500 rows that *rule* calls dead; how many. Passes over what another process is deleting."""
    key = tuple(rule.table.primary_key)
    dead = select(*key).where(rule.dead(unit.now)).order_by(rule.by).limit(BATCH).with_for_update(skip_locked=True)
    is_dead = key[0].in_(dead) if len(key) == 1 else tuple_(*key).in_(dead)
    return (await unit.db.execute(delete(rule.table).where(is_dead))).rowcount


@dataclass(frozen=True, slots=True)
class Walked:
    """How many sessions a stretch deleted, and where the next one begins; None at the end of the walk."""

    deleted: int
    last: UUID | None


async def walk_sessions(unit: Unit, after: UUID = BEFORE_ALL) -> Walked:
    """Look at the 500 sessions behind *after* and delete the dead.

    An ended session is kept for the refresh idle life, so that a phone that comes back late still learns why; one that
    ran out for 30 days. Neither can be younger than the shortest idle life, where the walk ends.
    """
    s = sessions.sessions
    idle_ttls = {Surface.ELIXIR: unit.policy.elixir_idle_ttl, Surface.JUNCTION: unit.policy.junction_idle_ttl}
    ended = or_(
        *(and_(s.c.surface == surface.value, s.c.ended_at <= unit.now - kept) for surface, kept in idle_ttls.items())
    )
    ran_out = and_(
        s.c.ended_at.is_(None),
        or_(
            s.c.idle_expires_at <= unit.now - KEPT_AFTER_EXPIRY,
            s.c.absolute_expires_at <= unit.now - KEPT_AFTER_EXPIRY,
        ),
    )
    youngest = first_id(unit.now - min(idle_ttls.values()) + 1)
    stretch = (
        await unit.db.scalars(select(s.c.id).where(s.c.id > after, s.c.id < youngest).order_by(s.c.id).limit(BATCH))
    ).all()
    if not stretch:
        return Walked(0, None)
    deleted = await unit.db.execute(delete(s).where(s.c.id > after, s.c.id <= stretch[-1], or_(ended, ran_out)))
    return Walked(deleted.rowcount, stretch[-1] if len(stretch) == BATCH else None)
