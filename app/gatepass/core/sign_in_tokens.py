"""Sign-in tokens: a customer's backend vouches for one of its users.

A token opens one session; while that session is unused the same token yields the same session again, so a lost answer
costs nothing (R5). It dies with its user, its team and the API key that minted it. What it says is in sign_in_jwt.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Named, String, Table, TypedColumns, Uuid, bindparam, insert, select, update

from gatepass.core import api_keys, sessions, sign_in, teams, users
from gatepass.core.errors import Forbidden, NotFound, SignInTokenInvalid, SignInTokenUsed
from gatepass.core.limits import Budget, Rate
from gatepass.core.mint import Mint
from gatepass.core.schema import metadata, upsert_in
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import Audience, Grant, Proof, Session, Surface
from gatepass.core.sign_in_jwt import Issued, SignInToken, tenant_of
from gatepass.core.teams import Team
from gatepass.core.unit import Caller, Policy, Unit


class _SignInTokenColumns(TypedColumns):
    jti: Named[str] = Column(String(64), primary_key=True)
    team_id: Named[UUID] = Column(Uuid)
    user_id: Named[UUID] = Column(Uuid, index=True)
    key_id: Named[UUID | None] = Column(Uuid)
    created_at: Named[int] = Column(BigInteger)
    expires_at: Named[int] = Column(BigInteger, index=True)
    revoked_at: Named[int | None] = Column(BigInteger)
    session_id: Named[UUID | None] = Column(Uuid)


sign_in_tokens = Table("sign_in_tokens", metadata, _SignInTokenColumns)


@dataclass(frozen=True, slots=True)
class Vouching:
    """One token's record as a value, so that many can share a statement (adapters/hot/). Instants in ms."""

    jti: str
    team_id: UUID
    user_id: UUID
    key_id: UUID | None
    created_at: int
    expires_at: int

    def issued_by(self, team: Team) -> Issued:
        """What the token says."""
        return Issued.of(team, self.user_id, jti=self.jti, issued_at=self.created_at, expires_at=self.expires_at)


def vouching(mint: Mint, policy: Policy, now: int, team_id: UUID, user_id: UUID, key_id: UUID | None) -> Vouching:
    """The record of a token to be issued now (ms)."""
    return Vouching(mint.alphanumeric(24), team_id, user_id, key_id, now, now + policy.sign_in_token_ttl)


async def issue(unit: Unit, team: Team, user_id: UUID, *, key_id: UUID | None) -> Issued:
    """Record a sign-in token for a user (J8). Raises NotFound, UserDeleted, and Forbidden for a banned user."""
    user = await users.get_undeleted(unit, team.id, user_id)
    if user.is_banned:
        raise Forbidden("the user is disabled")
    record = vouching(unit.mint, unit.policy, unit.now, team.id, user.id, key_id)
    await unit.db.execute(_RECORD, asdict(record))
    return record.issued_by(team)


_RECORD = insert(sign_in_tokens)


@dataclass(frozen=True, slots=True)
class Redemption:
    """One first exchange as a value, so that many can share a statement (adapters/hot/).

    It holds where the token is recorded and unspent, its user may sign in and the client has some of *budget* left; then
    *session* is opened and *event* tells of it.
    """

    jti: str
    session: Session
    region: str
    event: dict[str, Any]
    budget: tuple[bytes, Rate] | None

    def grant(self, email: str | None, roles: Sequence[str]) -> Grant:
        """What the session hands out, its user being who the statement found."""
        return sign_in.granted(self.session, email, roles, region=self.region, now=self.session.opened_at)


def redemption(
    mint: Mint, policy: Policy, secret: ServerSecret, now: int, token: SignInToken, team: Team, caller: Caller
) -> Redemption | None:
    """The first exchange that a verified *token* asks for, at *now* (ms).

    None for what only `redeem` can judge: a foreign tenant, or more budgets than one.
    """
    budgets = budget_of(policy, team.id, caller).keys(secret)
    if token.tenant != tenant_of(team.id) or len(budgets) > 1:
        return None
    session = sign_in.new_session(mint, policy, now, caller, token.user_id, _audience(team), Proof.SIGN_IN_TOKEN)
    return Redemption(
        jti=token.jti,
        session=session,
        region=team.region.value,
        event=sign_in.opening(mint, now, session),
        budget=budgets[0] if budgets else None,
    )


def budget_of(policy: Policy, team_id: UUID, caller: Caller) -> Budget:
    """Exchanges are counted per team and client address; refreshes are not, for a valid one must never be throttled."""
    return Budget("token_endpoint_per_client", policy.limits.token_endpoint_per_client, f"{team_id}|{caller.network}")


async def redeem(unit: Unit, token: SignInToken, *, jkt: str | None = None) -> Grant:
    """Trade a verified token for its session; again while that session is unused (R5).

    Locks the user first, as whoever bans or deletes does. Raises SignInTokenInvalid, SignInTokenUsed.
    """
    team = await teams.find(unit, token.team_id)
    if team is None or token.tenant != tenant_of(team.id):
        raise SignInTokenInvalid("team gone or tenant differs")
    try:
        user = await users.lock(unit, team.id, token.user_id)
    except NotFound as error:
        raise SignInTokenInvalid("the user is gone") from error
    if user.is_banned:
        raise SignInTokenInvalid("the user is disabled")
    row = await _hold(unit, token)
    if row.revoked_at is not None or row.user_id != user.id or row.team_id != team.id:
        raise SignInTokenInvalid("revoked")
    if row.key_id is not None and not await api_keys.is_live(unit, row.key_id):
        raise SignInTokenInvalid("the key that minted it was revoked")
    if row.session_id is not None:
        return await _again(unit, row.session_id, user, team, jkt)
    grant = await sign_in.open_for(unit, user, _audience(team), Proof.SIGN_IN_TOKEN, jkt=jkt)
    await unit.db.execute(_SPEND, {"presented": token.jti, "opened": grant.session_id})
    return grant


_SPEND = (
    update(sign_in_tokens).where(sign_in_tokens.c.jti == bindparam("presented")).values(session_id=bindparam("opened"))
)


def _audience(team: Team) -> Audience:
    return Audience(Surface.JUNCTION, team.id, team.environment.value, team.region.value)


async def _hold(unit: Unit, token: SignInToken) -> Any:
    """The token's row, held until the transaction ends; made now for a token that the backend minted by itself."""
    row = (await unit.db.execute(_HOLD, {"presented": token.jti})).one_or_none()
    if row is None:
        record = Vouching(token.jti, token.team_id, token.user_id, None, unit.now, token.expires_at)
        await unit.db.execute(upsert_in(unit.db.dialect.name, sign_in_tokens).on_conflict_do_nothing(), asdict(record))
        row = (await unit.db.execute(_HOLD, {"presented": token.jti})).one()
    return row


_HOLD = select(sign_in_tokens).where(sign_in_tokens.c.jti == bindparam("presented")).with_for_update()


async def _again(unit: Unit, session_id: UUID, user: users.User, team: Team, jkt: str | None) -> Grant:
    """The session that this token opened, if it has not been used yet. Raises SignInTokenUsed."""
    row = (
        await unit.db.execute(select(sessions.sessions).where(sessions.sessions.c.id == session_id).with_for_update())
    ).one_or_none()
    session = sessions.of(row._mapping) if row is not None else None
    if session is None or not session.is_open(unit.now) or session.generation or session.receipt_at is not None:
        raise SignInTokenUsed("its session has moved on")
    if session.jkt != jkt:
        raise SignInTokenUsed("its session is bound to another key")
    return sign_in.granted(session, user.email, user.roles, region=team.region.value, now=unit.now)


@dataclass(frozen=True, slots=True)
class Voucher:
    """Who vouched for a session: when its token was recorded (ms), and the beginning of the key that minted it.

    *visible* is None for a team access token and for a token that the backend minted by itself.
    """

    issued_at: int
    visible: str | None


async def find_voucher(unit: Unit, session: sessions.Session) -> Voucher | None:
    """What opened a Junction session, or None: for another session, and from a day after the token expired."""
    row = (
        await unit.db.execute(
            select(sign_in_tokens.c.created_at, api_keys.api_keys.c.visible)
            .join(api_keys.api_keys, api_keys.api_keys.c.id == sign_in_tokens.c.key_id, isouter=True)
            .where(sign_in_tokens.c.user_id == session.user_id, sign_in_tokens.c.session_id == session.id)
        )
    ).one_or_none()
    return Voucher(row.created_at, row.visible) if row is not None else None


async def revoke_all(unit: Unit, user_id: UUID) -> None:
    """Kill every outstanding token of a user (T7)."""
    await unit.db.execute(
        update(sign_in_tokens)
        .where(sign_in_tokens.c.user_id == user_id, sign_in_tokens.c.revoked_at.is_(None))
        .values(revoked_at=unit.now)
    )
