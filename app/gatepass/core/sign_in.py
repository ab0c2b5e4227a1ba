"""The one door: an accepted proof opens a session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from gatepass.core import audit, users
from gatepass.core.errors import UserBanned
from gatepass.core.facts import Fact
from gatepass.core.mint import Mint
from gatepass.core.sessions import Audience, Device, Grant, Proof, Session, Surface, sessions
from gatepass.core.unit import Caller, Policy, Unit

_NO_DEVICE = Device()


async def open_session(
    unit: Unit,
    user_id: UUID,
    audience: Audience,
    proof: Proof,
    *,
    device: Device = _NO_DEVICE,
    opened_by: UUID | None = None,
    jkt: str | None = None,
) -> Grant:
    """Open a session for the user whose *proof* was just accepted, and return its first grant.

    Holds the user row, so that a ban or deletion in flight is either seen here or ends this session too.
    *opened_by* is the session that showed the QR value, *jkt* the key it is bound to. Raises UserBanned, NotFound.
    """
    assert audience.team_id is not None, "a session belongs to one team"
    user = await users.lock(unit, audience.team_id, user_id)
    return await open_for(unit, user, audience, proof, device=device, opened_by=opened_by, jkt=jkt)


async def open_for(
    unit: Unit,
    user: users.User,
    audience: Audience,
    proof: Proof,
    *,
    device: Device = _NO_DEVICE,
    opened_by: UUID | None = None,
    jkt: str | None = None,
) -> Grant:
    """The same for a *user* whose row this transaction holds already. Raises UserBanned."""
    if user.is_banned:
        raise UserBanned(user.ban_reason or "")
    session = new_session(
        unit.mint,
        unit.policy,
        unit.now,
        unit.caller,
        user.id,
        audience,
        proof,
        device=device,
        opened_by=opened_by,
        jkt=jkt,
    )
    await unit.db.execute(_OPEN, row_of(session))
    await audit.append(unit, opening(unit.mint, unit.now, session))
    unit.count(Fact(f"sign_in.{proof}"), session.team_id)
    return granted(session, user.email, user.roles, region=audience.region, now=unit.now)


def new_session(
    mint: Mint,
    policy: Policy,
    now: int,
    caller: Caller,
    user_id: UUID,
    audience: Audience,
    proof: Proof,
    *,
    device: Device = _NO_DEVICE,
    opened_by: UUID | None = None,
    jkt: str | None = None,
) -> Session:
    """A session as it begins at *now* (ms). Storing it is up to whoever holds its user's row."""
    assert audience.team_id is not None, "a session belongs to one team"
    assert audience.environment is not None, "and to one environment of it"
    absolute_ttl = None if audience.surface is Surface.ELIXIR else policy.junction_absolute_ttl
    return Session(
        id=mint.uuid7(now),
        team_id=audience.team_id,
        environment=audience.environment,
        surface=audience.surface,
        user_id=user_id,
        generation=0,
        rotated_at=now,
        receipt_at=None,
        late_replays=0,
        last_seen_at=now,
        idle_expires_at=now + policy.idle_ttl(audience.surface),
        absolute_expires_at=None if absolute_ttl is None else now + absolute_ttl,
        opened_at=now,
        ended_at=None,
        end_cause=None,
        jkt=jkt,
        proof=proof,
        opened_by=opened_by,
        client_address=caller.address or None,
        device_model=device.model,
        device_id=device.id,
        sdk=caller.sdk or None,
    )


def row_of(session: Session) -> dict[str, Any]:
    """*session* as its row."""
    return session._asdict()


def opening(mint: Mint, now: int, session: Session) -> dict[str, Any]:
    """The row of the event that tells of it."""
    return audit.row(
        mint,
        now,
        audit.Event.SESSION_OPENED,
        team_id=session.team_id,
        user_id=session.user_id,
        session_id=session.id,
        detail={"proof": session.proof.value, "surface": session.surface.value},
    )


_OPEN = insert(sessions)


def granted(session: Session, email: str | None, roles: Sequence[str], *, region: str, now: int) -> Grant:
    """What *session* hands out at *now* (ms), its user's *email* and *roles* in the token."""
    return Grant(
        session_id=session.id,
        generation=session.generation,
        user_id=session.user_id,
        team_id=session.team_id,
        environment=session.environment,
        region=region,
        surface=session.surface,
        email=email,
        roles=tuple(roles),
        jkt=session.jkt,
        issued_at=now,
    )
