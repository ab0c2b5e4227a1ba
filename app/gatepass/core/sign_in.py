"""The one door: an accepted proof opens a session."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert

from gatepass.core import audit, users
from gatepass.core.errors import UserBanned
from gatepass.core.facts import Fact
from gatepass.core.sessions import Audience, Device, Grant, Proof, Session, Surface, sessions
from gatepass.core.unit import Unit

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
    assert audience.team_id is not None, "a session belongs to one team"
    assert audience.environment is not None, "and to one environment of it"
    if user.is_banned:
        raise UserBanned(user.ban_reason or "")
    policy = unit.policy
    absolute_ttl = None if audience.surface is Surface.ELIXIR else policy.junction_absolute_ttl
    session = Session(
        id=unit.mint.uuid7(unit.now),
        team_id=audience.team_id,
        environment=audience.environment,
        surface=audience.surface,
        user_id=user.id,
        generation=0,
        rotated_at=unit.now,
        receipt_at=None,
        late_replays=0,
        last_seen_at=unit.now,
        idle_expires_at=unit.now + policy.idle_ttl(audience.surface),
        absolute_expires_at=None if absolute_ttl is None else unit.now + absolute_ttl,
        opened_at=unit.now,
        ended_at=None,
        end_cause=None,
        jkt=jkt,
        proof=proof,
        opened_by=opened_by,
        client_address=unit.caller.address or None,
        device_model=device.model,
        device_id=device.id,
        sdk=unit.caller.sdk or None,
    )
    await unit.db.execute(_OPEN, {name: getattr(session, name) for name in Session.__slots__})
    await audit.record(
        unit,
        audit.Event.SESSION_OPENED,
        team_id=session.team_id,
        user_id=user.id,
        session_id=session.id,
        detail={"proof": proof.value, "surface": session.surface.value},
    )
    unit.count(Fact(f"sign_in.{proof}"), session.team_id)
    return grant_of(unit, session, user, region=audience.region)


_OPEN = insert(sessions)


def grant_of(unit: Unit, session: Session, user: users.User, *, region: str) -> Grant:
    """What *session* hands out now."""
    return Grant(
        session_id=session.id,
        generation=session.generation,
        user_id=user.id,
        team_id=session.team_id,
        environment=session.environment,
        region=region,
        surface=session.surface,
        email=user.email,
        roles=user.roles,
        jkt=session.jkt,
        issued_at=unit.now,
    )
