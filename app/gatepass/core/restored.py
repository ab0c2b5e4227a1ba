"""What a restored database must forget, and may be told to end.

A backup remembers as unspent what was spent since: codes, QR values and sign-in tokens. They live for minutes and are
asked for again at a tap, so none survives a restore. Sessions do: a phone whose token is from the backup's future is
followed (rotation.md, P5). But those that were ended since are open again, so an operator may end them all.
"""

from __future__ import annotations

from sqlalchemy import select, update

from gatepass.core import audit, otp, outbox, qr, sign_in_tokens
from gatepass.core.sessions import Cause, sessions
from gatepass.core.unit import Unit

AT_ONCE = 1000


async def void_proofs(unit: Unit) -> None:
    """Void every code, QR value and sign-in token, and every mail that has not left."""
    for table, done in (
        (otp.otp_transactions, otp.State.EXPIRED),
        (qr.qr_codes, qr.State.EXPIRED),
        (outbox.outbox, outbox.State.EXPIRED),
    ):
        settled = {"settled_at": unit.now, "sealed": None} if table is outbox.outbox else {}
        await unit.db.execute(update(table).where(table.c.state == "pending").values(state=done.value, **settled))
    tokens = sign_in_tokens.sign_in_tokens
    await unit.db.execute(
        update(tokens).where(tokens.c.revoked_at.is_(None), tokens.c.expires_at > unit.now).values(revoked_at=unit.now)
    )


async def end_some(unit: Unit) -> int:
    """End up to a thousand open sessions, whoever's, by the operator's will; how many. Call it until none is left."""
    some = select(sessions.c.id).where(sessions.c.ended_at.is_(None)).order_by(sessions.c.id).limit(AT_ONCE)
    rows = (
        await unit.db.execute(
            update(sessions)
            .where(sessions.c.id.in_(some), sessions.c.ended_at.is_(None))
            .values(ended_at=unit.now, end_cause=Cause.ADMIN.value)
            .returning(sessions.c.id, sessions.c.team_id, sessions.c.user_id)
        )
    ).all()
    ended = [(row.team_id, row.user_id, row.id) for row in rows]
    await audit.record_of_each(unit, audit.Event.SESSION_ENDED, ended, {"cause": Cause.ADMIN.value, "restored": 1})
    return len(rows)
