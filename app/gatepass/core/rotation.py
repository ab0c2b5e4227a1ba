"""Rotation: spend a refresh token, issue its successor, and tell a lost answer from a stolen token.

A predecessor that comes back is a phone that never got our answer. It is given the same successor again, until that
successor is known to have arrived; after that it is a stolen copy, and the session ends (RFC 9700 section 4.14.2). The
whole rule is the table in `docs/contracts/rotation.md`; `_explain_or_forgive` is that table, row by row.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row, or_, select, update

from gatepass.core import audit, dpop, limits, refresh_tokens
from gatepass.core.errors import (
    RefreshTokenMalformed,
    RefreshTokenUnknown,
    SessionEnded,
    SessionExpired,
    TokenReused,
    Unavailable,
    UserBanned,
)
from gatepass.core.facts import Fact
from gatepass.core.limits import Budget
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.schema import SECOND
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import Audience, Cause, Grant, Session, Surface, end, of, sessions
from gatepass.core.teams import teams
from gatepass.core.unit import Policy, Unit
from gatepass.core.users import users

RECEIPT_GRACE = 30 * SECOND
"""How old a receipt must be before a late predecessor counts as stolen: a sibling request may carry both."""
HOST_SKEW = 60 * SECOND
"""How far behind the rotating host's clock this host's may be and still count as inside the window."""
SLOW_SIBLINGS = 4
"""How many generations back a token inside the window is taken for a slow sibling, not for theft."""
REMEMBERED_GENERATIONS = 8
"""Over how many generations late replays are counted against the budget."""

_THEIR_USER = users.c.id == sessions.c.user_id
_GRANTED = (
    sessions.c.id,
    sessions.c.generation,
    sessions.c.user_id,
    sessions.c.team_id,
    sessions.c.environment,
    sessions.c.surface,
    sessions.c.jkt,
    select(teams.c.region).where(teams.c.id == sessions.c.team_id).scalar_subquery().label("region"),
    select(users.c.email).where(_THEIR_USER).scalar_subquery().label("email"),
    select(users.c.roles).where(_THEIR_USER).scalar_subquery().label("roles"),
)


class Ask(NamedTuple):
    """One compare-and-set as a value, so that many can share a statement (adapters/hot/). Instants in ms."""

    session_id: UUID
    generation: int
    audience: Audience
    now: int
    idle_expires_at: int


def ask(secret: ServerSecret, policy: Policy, presented: object, audience: Audience, now: int) -> Ask | None:
    """What to advance for *presented*; None for what is no token of ours."""
    try:
        token = refresh_tokens.parse(secret, presented)
    except RefreshTokenMalformed:
        return None
    return Ask(token.session_id, token.generation, audience, now, now + policy.idle_ttl(audience.surface))


async def rotate(unit: Unit, presented: object, audience: Audience, *, proof: dpop.Request | None = None) -> Grant:
    """Spend *presented* and issue its successor.

    The caller cannot tell from the grant which row of the table answered.
    A session bound to a key keeps its token, and wants a *proof* of that key instead.
    Raises DpopRefused, RefreshTokenMalformed, RefreshTokenUnknown, SessionExpired, SessionEnded, TokenReused, UserBanned,
    Unavailable; TooManyRequests for a client that guesses (an empty token, a phone's first launch, is no guess).
    """
    try:
        token = refresh_tokens.parse(unit.secret, presented)
        return await _advance(unit, token, audience) or await _explain_or_forgive(unit, token, audience, proof)
    except (RefreshTokenMalformed, RefreshTokenUnknown):
        if presented:
            rates = unit.policy.limits.invalid_refresh_per_client
            await limits.spend(
                unit, Budget("invalid_refresh_per_client", rates, f"{audience.team_id}|{unit.caller.network}")
            )
        raise


async def revoke(unit: Unit, presented: object, audience: Audience) -> bool:
    """End the session that a refresh token names, whichever of its generations: the owner signed out (RFC 7009).

    False where it names none that is open for this caller. Neither spelling matters, and an access token names none.
    """
    try:
        token = refresh_tokens.parse(unit.secret, presented)
    except RefreshTokenMalformed:
        return False
    known = await unit.db.scalar(select(sessions.c.id).where(sessions.c.id == token.session_id, *audience.covers()))
    return known is not None and await end(unit, known, Cause.SIGNED_OUT)


async def _advance(unit: Unit, token: RefreshToken, audience: Audience) -> Grant | None:
    """The fast path: one compare-and-set. None when the token is not the live one."""
    row = (
        await unit.db.execute(
            update(sessions)
            .where(
                sessions.c.id == token.session_id,
                sessions.c.generation == token.generation,
                sessions.c.ended_at.is_(None),
                sessions.c.idle_expires_at > unit.now,
                or_(sessions.c.absolute_expires_at.is_(None), sessions.c.absolute_expires_at > unit.now),
                sessions.c.jkt.is_(None),
                *audience.covers(),
            )
            .values(
                generation=sessions.c.generation + 1,
                rotated_at=unit.now,
                receipt_at=None,
                late_replays=(sessions.c.late_replays * 2) % 2**REMEMBERED_GENERATIONS,
                idle_expires_at=unit.now + unit.policy.idle_ttl(audience.surface),
            )
            .returning(*_GRANTED)
        )
    ).one_or_none()
    return _grant(unit, row) if row is not None else None


async def _explain_or_forgive(unit: Unit, token: RefreshToken, audience: Audience, proof: dpop.Request | None) -> Grant:
    """The slow path: hold the row and decide what the token that did not match is worth."""
    row = (
        await unit.db.execute(
            select(sessions).where(sessions.c.id == token.session_id, *audience.covers()).with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise RefreshTokenUnknown("no such session for this caller")
    session = of(row._mapping)
    if session.ended_at is not None:
        await _refuse_ended(unit, session)
    if session.is_expired(unit.now):
        raise SessionExpired("idle or absolute limit passed")
    if session.jkt is not None:
        return await _stay_bound(unit, session, token, proof)

    since_rotation = unit.now - session.rotated_at
    inside_window = -HOST_SKEW <= since_rotation <= unit.policy.replay_window
    jumped_back = since_rotation < -HOST_SKEW  # how long ago it was cannot be told, and that ends nothing
    generations_back = session.generation - token.generation

    if generations_back == 0:
        if (grant := await _advance(unit, token, audience)) is not None:
            return grant
        raise Unavailable("the live token did not rotate twice in a row")
    if generations_back < 0:
        return await _adopt(unit, session, token)
    if generations_back == 1 and inside_window:
        return await _current(unit, session.id)
    if generations_back == 1 and not _arrived(unit, session):
        return await _forgive(unit, session, token)
    if generations_back <= SLOW_SIBLINGS and (inside_window or jumped_back):
        raise Unavailable("a slow sibling of a token rotated moments ago")
    return await _end_as_reused(unit, session, token)


async def _stay_bound(unit: Unit, session: Session, token: RefreshToken, proof: dpop.Request | None) -> Grant:
    """A session bound to a key: without that key its tokens are worth nothing, so the generation stays (RFC 9449, 5)."""
    if token.generation != session.generation:
        raise RefreshTokenUnknown("a generation that a bound session never had")
    await dpop.require(unit, session.jkt, proof)
    row = (
        await unit.db.execute(
            update(sessions)
            .where(sessions.c.id == session.id, sessions.c.ended_at.is_(None))
            .values(idle_expires_at=unit.now + unit.policy.idle_ttl(session.surface))
            .returning(*_GRANTED)
        )
    ).one()
    return _grant(unit, row)


def _arrived(unit: Unit, session: Session) -> bool:
    """Whether the live generation is known to have reached the phone, and not just now."""
    return session.receipt_at is not None and unit.now - session.receipt_at > RECEIPT_GRACE


async def _refuse_ended(unit: Unit, session: Session) -> None:
    """Name the cause; a ban only while it stands. Raises SessionEnded, UserBanned."""
    assert session.end_cause is not None
    if session.end_cause is Cause.BANNED:
        user = (
            await unit.db.execute(
                select(users.c.banned_at, users.c.ban_reason).where(
                    users.c.id == session.user_id, users.c.deleted_at.is_(None)
                )
            )
        ).one_or_none()
        if user is not None and user.banned_at is not None:
            raise UserBanned(user.ban_reason or "")
    raise SessionEnded(session.end_cause.value)


async def _current(unit: Unit, session_id: UUID) -> Grant:
    """The live generation once more, nothing written."""
    return _grant(unit, (await unit.db.execute(select(*_GRANTED).where(sessions.c.id == session_id))).one())


async def _forgive(unit: Unit, session: Session, token: RefreshToken) -> Grant:
    """A lost answer: the same successor again, counted once per generation against the budget."""
    late_replays = session.late_replays | 1
    if late_replays.bit_count() > unit.policy.replay_budget:
        return await _end_as_reused(unit, session, token)
    row = (
        await unit.db.execute(
            update(sessions)
            .where(
                sessions.c.id == session.id,
                sessions.c.generation == session.generation,
                sessions.c.ended_at.is_(None),
            )
            .values(late_replays=late_replays, idle_expires_at=unit.now + unit.policy.idle_ttl(session.surface))
            .returning(*_GRANTED)
        )
    ).one()
    await _record(unit, session, audit.Event.REFRESH_RECOVERED, generation=session.generation)
    unit.count(Fact.RECOVERY, session.team_id)
    return _grant(unit, row)


async def _adopt(unit: Unit, session: Session, token: RefreshToken) -> Grant:
    """A token from our own future: a failover or a restore lost commits. Follow the phone, and raise the alarm."""
    if token.generation > refresh_tokens.MAX_GENERATION:
        raise Unavailable("the last generation there can be")
    row = (
        await unit.db.execute(
            update(sessions)
            .where(
                sessions.c.id == session.id,
                sessions.c.generation == session.generation,
                sessions.c.ended_at.is_(None),
            )
            .values(
                generation=token.generation + 1,
                rotated_at=unit.now,
                receipt_at=None,
                late_replays=0,
                idle_expires_at=unit.now + unit.policy.idle_ttl(session.surface),
            )
            .returning(*_GRANTED)
        )
    ).one()
    await _record(unit, session, audit.Event.GENERATION_ADOPTED, stored=session.generation, presented=token.generation)
    return _grant(unit, row)


async def _end_as_reused(unit: Unit, session: Session, token: RefreshToken) -> Grant:
    """A stolen copy: end the session, unless the caller has hung up and may have queued past the window."""
    if await unit.caller.hung_up():
        await _record(unit, session, audit.Event.REUSE_UNHEARD, generation=session.generation)
    else:
        await end(unit, session.id, Cause.REUSE, presented=token.generation)
    raise TokenReused("a spent token came back")


async def _record(unit: Unit, session: Session, event: audit.Event, **detail: int) -> None:
    await audit.record(
        unit, event, team_id=session.team_id, user_id=session.user_id, session_id=session.id, detail=detail
    )


def _grant(unit: Unit, row: Row[UUID, int, UUID, UUID, str, str, str | None, str | None, str | None, object]) -> Grant:
    return Grant(
        session_id=row.id,
        generation=row.generation,
        user_id=row.user_id,
        team_id=row.team_id,
        environment=row.environment,
        region=row.region or "",
        surface=Surface(row.surface),
        email=row.email,
        roles=tuple(row.roles or ()),
        jkt=row.jkt,
        issued_at=unit.now,
    )
