"""Access tokens: short-lived JWTs, signed after the commit, checked against the session they name.

Elixir's are HS512 under a key of the team's own, for this server alone to read; Junction's are ES256 (RFC 9068), for
anyone to verify with the JWKS. Both are read by jws.py, and their claims and times are checked here against the unit's
one instant. A token dies with its session (`sid`); its text is never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from gatepass.core import dpop, jws
from gatepass.core.api_keys import App
from gatepass.core.errors import (
    AccessTokenDead,
    AccessTokenExpired,
    AccessTokenInvalid,
    UserBanned,
)
from gatepass.core.ids import find_id
from gatepass.core.mint import Mint
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import Audience, Grant, Session, Surface, sessions
from gatepass.core.sessions import of_columns as session_of
from gatepass.core.signing_keys import SigningKey
from gatepass.core.teams import Team
from gatepass.core.unit import Policy, Unit
from gatepass.core.users import User, users
from gatepass.core.users import of_columns as user_of

JITTER = 0.1
"""Each announced life is shortened by up to this share: phones do not stampede, and a thief cannot keep step."""
LEEWAY = MINUTE
"""How long a Junction token outlives what was announced: its clients start counting on receipt (contract, E4)."""
TEAM_TOKEN_LIFE = 10 * MINUTE
_PURPOSE = "elixir-access-token"
TEST_CLAIM = "gatepass_test"
"""Marks what test mode signed. Its key ids begin with `test-` too, so that no other verifier even finds the key."""
_SESSION_CLAIMS: dict[str, type] = {"iss": str, "aud": str, "sub": str, "sid": str, "gen": int, "iat": int, "exp": int}
_ELIXIR_CLAIMS: dict[str, type] = {**_SESSION_CLAIMS, "_id": str}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and its life: *expires_at* epoch ms, *life* ms."""

    text: str
    expires_at: int
    life: int

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at}, life={self.life})"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who an accepted access token speaks for, and its verified claims."""

    session: Session
    user: User
    claims: dict[str, Any]

    @property
    def proves_receipt(self) -> bool:
        """Whether this token is the first sign that the live generation has arrived."""
        return self.session.receipt_at is None and self.claims["gen"] == self.session.generation


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs grants into access tokens, outside any transaction."""

    secret: ServerSecret
    policy: Policy
    mint: Mint

    def elixir(self, grant: Grant) -> AccessToken:
        """HS512 under the team's own key (contract elixir, section 4.2)."""
        key = self.secret.team_keys(_PURPOSE, grant.team_id.bytes)[0]
        life = self._life(self.policy.elixir_access_ttl)
        user_id = str(grant.user_id)
        claims = {
            "_id": user_id,
            "email": grant.email,
            "roles": grant.roles,
            "iss": str(grant.team_id),
            "aud": _game(grant.environment),
            **self._times(grant.issued_at, life),
            **self._mark(),
            "sub": user_id,
            "sid": str(grant.session_id),
            "gen": grant.generation,
        }
        text = jws.sign(claims, key, algorithm="HS512", typ="JWT", kid=_kid(key, self.policy.test_mode))
        return AccessToken(text, grant.issued_at + life, life)

    def junction(self, grant: Grant, key: SigningKey) -> AccessToken:
        """ES256, readable with the JWKS (contract junction, section 7; RFC 9068). Bound ones say so (RFC 9449, 6.1)."""
        life = self._life(self.policy.junction_access_ttl)
        claims = {
            "iss": self.policy.issuer,
            "aud": self.policy.junction_audience,
            "sub": str(grant.user_id),
            "sid": str(grant.session_id),
            "gen": grant.generation,
            "client_id": str(grant.team_id),
            "team_id": str(grant.team_id),
            "region": grant.region,
            "environment": grant.environment,
            "scope": "user",
            **self._times(grant.issued_at, life),
            **self._mark(),
        }
        if grant.jkt is not None:
            claims["cnf"] = {"jkt": grant.jkt}
        text = jws.sign(claims, key.private, algorithm="ES256", typ="at+jwt", kid=key.kid)
        return AccessToken(text, grant.issued_at + life, life)

    def team(self, team: Team, key: SigningKey, now: int) -> AccessToken:
        """A token that stands in for a team's secret key for ten minutes (contract junction, section 3)."""
        claims = {
            "iss": self.policy.issuer,
            "aud": self.policy.junction_audience,
            "sub": str(team.id),
            "scope": "team",
            **self._times(now, TEAM_TOKEN_LIFE),
            **self._mark(),
        }
        text = jws.sign(claims, key.private, algorithm="ES256", typ="team+jwt", kid=key.kid)
        return AccessToken(text, now + TEAM_TOKEN_LIFE, TEAM_TOKEN_LIFE)

    def _life(self, ttl: int) -> int:
        return ttl - int(ttl * JITTER * self.mint.fraction())

    def _times(self, now: int, life: int) -> dict[str, Any]:
        return {"iat": now // SECOND, "exp": (now + life) // SECOND, "jti": self.mint.bytes(12).hex()}

    def _mark(self) -> dict[str, bool]:
        return {TEST_CLAIM: True} if self.policy.test_mode else {}


async def authenticate(unit: Unit, presented: str | None, app: App, *, even_expired: bool = False) -> Bearer:
    """The user and session behind an Elixir bearer token presented with *app*'s key.

    *even_expired* lets sign-out end a session whose token has just run out (contract elixir, D9).
    Raises AccessTokenInvalid, AccessTokenExpired, AccessTokenDead, UserBanned.
    """
    claims = verified_app_claims(unit.secret, unit.policy, presented, app, unit.now, even_expired=even_expired)
    return _noted(unit, judge(claims, await _found(unit, claims), app.audience, unit.now))


def verified_app_claims(
    secret: ServerSecret, policy: Policy, presented: str | None, app: App, now: int, *, even_expired: bool = False
) -> dict[str, Any]:
    """The claims of an Elixir access token, signature and times checked, its session not looked at yet.

    Raises AccessTokenInvalid, AccessTokenExpired.
    """
    keys = {_kid(key, policy.test_mode): key for key in secret.team_keys(_PURPOSE, app.team.id.bytes)}
    try:
        claims = jws.verify(presented, keys, algorithm="HS512", typ="JWT", claims=_ELIXIR_CLAIMS)
    except jws.NotOurs as error:
        raise AccessTokenInvalid(str(error)) from error
    _see_that_modes_agree(policy, claims)
    if claims["iss"] != str(app.team.id) or claims["aud"] != _game(app.environment.value):
        raise AccessTokenInvalid("issued for another team or environment")
    _see_that_it_is_dated(claims, policy.elixir_access_ttl, now)
    if claims["exp"] * SECOND <= now and not even_expired:
        raise AccessTokenExpired("past its life")
    return claims


def verified_user_claims(policy: Policy, presented: str | None, keys: dict[str, Any], now: int) -> dict[str, Any]:
    """The claims of a Junction access token, signature and times checked, its session not looked at yet.

    *keys* is the access ring. Raises AccessTokenInvalid, AccessTokenExpired.
    """
    try:
        wanted = {**_SESSION_CLAIMS, "team_id": str, "scope": str}
        claims = jws.verify(presented, keys, algorithm="ES256", typ="at+jwt", claims=wanted)
    except jws.NotOurs as error:
        raise AccessTokenInvalid(str(error)) from error
    _see_that_modes_agree(policy, claims)
    if claims["iss"] != policy.issuer or claims["aud"] != policy.junction_audience or claims["scope"] != "user":
        raise AccessTokenInvalid("issued elsewhere, or for something else")
    _see_that_it_is_dated(claims, policy.junction_access_ttl, now)
    if claims["exp"] * SECOND + LEEWAY <= now:
        raise AccessTokenExpired("past its life")
    return claims


def is_a_users(presented: str) -> bool:
    """Whether *presented* says of itself that it is a user's and not a team's; nothing in it is verified yet."""
    try:
        return jws.header_of(presented).get("typ") == "at+jwt"
    except jws.NotOurs:
        return False


async def authenticate_user(
    unit: Unit, presented: str | None, keys: dict[str, Any], *, proof: dpop.Request | None = None
) -> Bearer:
    """The user and session behind a Junction bearer token; *keys* is the access ring.

    A bound token needs a proof by its key for this very request (RFC 9449 section 7.1).
    Raises AccessTokenInvalid, AccessTokenExpired, AccessTokenDead, UserBanned, DpopRefused.
    """
    bearer = await inspect(unit, presented, keys)
    await dpop.require(unit, bearer.session.jkt, proof, access_token=presented)
    return bearer


async def inspect(unit: Unit, presented: str | None, keys: dict[str, Any], *, team_id: UUID | None = None) -> Bearer:
    """The user and session behind a Junction token that someone else received and asks about (RFC 7662).

    Whoever received it has seen to its proof of possession. With *team_id*, other teams' tokens are strangers'.
    Raises AccessTokenInvalid, AccessTokenExpired, AccessTokenDead, UserBanned.
    """
    claims = verified_user_claims(unit.policy, presented, keys, unit.now)
    audience = Audience(Surface.JUNCTION, team_id)
    return _noted(unit, judge(claims, await _found(unit, claims), audience, unit.now))


def team_named_by(policy: Policy, presented: str | None, keys: dict[str, Any], now: int) -> UUID:
    """The team that a team access token stands in for. Raises AccessTokenInvalid, AccessTokenExpired."""
    try:
        wanted = {"iss": str, "aud": str, "sub": str, "scope": str, "iat": int, "exp": int}
        claims = jws.verify(presented, keys, algorithm="ES256", typ="team+jwt", claims=wanted)
        team_id = UUID(claims["sub"])
    except (jws.NotOurs, ValueError) as error:
        raise AccessTokenInvalid(str(error)) from error
    _see_that_modes_agree(policy, claims)
    if claims["iss"] != policy.issuer or claims["aud"] != policy.junction_audience or claims["scope"] != "team":
        raise AccessTokenInvalid("issued elsewhere, or for something else")
    _see_that_it_is_dated(claims, TEAM_TOKEN_LIFE, now)
    if claims["exp"] * SECOND <= now:
        raise AccessTokenExpired("past its life")
    return team_id


def _see_that_it_is_dated(claims: dict[str, Any], ttl: int, now: int) -> None:
    """Refuse a token from the future, or made to live longer than any of its kind. *ttl* and *now* in ms."""
    if claims["iat"] * SECOND > now + LEEWAY or (claims["exp"] - claims["iat"]) * SECOND > ttl:
        raise AccessTokenInvalid("dated as none of ours")


def judge(claims: dict[str, Any], found: tuple[Session, User] | None, audience: Audience, now: int) -> Bearer:
    """Whether the session and user that verified *claims* name are there for this caller, open and living.

    Raises AccessTokenInvalid, AccessTokenDead, UserBanned.
    """
    if found is None:
        raise AccessTokenDead("no such session, or its user was purged")
    session, user = found
    if not audience.holds(session):
        raise AccessTokenDead("a session of another team, environment or surface")
    if str(user.id) != claims["sub"] or user.deleted_at is not None:
        raise AccessTokenDead("no such user") if find_id(claims["sub"]) else AccessTokenInvalid("sub is no id")
    if user.is_banned:
        raise UserBanned(user.ban_reason or "")
    if not session.is_open(now):
        raise AccessTokenDead(f"session ended: {session.end_cause or 'expired'}")
    return Bearer(session, user, claims)


def session_named_in(claims: dict[str, Any]) -> UUID:
    """The session that verified *claims* name. Raises AccessTokenInvalid."""
    try:
        return UUID(claims["sid"])
    except ValueError as error:
        raise AccessTokenInvalid("sid is no id") from error


async def _found(unit: Unit, claims: dict[str, Any]) -> tuple[Session, User] | None:
    """The session that *claims* name, with its user."""
    row = (await unit.db.execute(LOOK, {"session_id": session_named_in(claims)})).one_or_none()
    return None if row is None else found_in(tuple(row))


LOOK_AT = select(*sessions.c, *(column.label(f"user__{column.name}") for column in users.c)).join_from(
    sessions, users, users.c.id == sessions.c.user_id
)
"""Sessions and their users, every column, in the order of the tables."""
LOOK = LOOK_AT.where(sessions.c.id == bindparam("session_id"))
_SESSION_SIZE = len(sessions.c)


def found_in(row: Sequence[Any]) -> tuple[Session, User]:
    """The session and user in a row of `LOOK`."""
    return session_of(row[:_SESSION_SIZE]), user_of(row[_SESSION_SIZE:])


def _noted(unit: Unit, bearer: Bearer) -> Bearer:
    """The same, its generation's receipt noted after this transaction."""
    if bearer.proves_receipt:
        unit.receipts.append((bearer.session.id, bearer.session.generation))
    return bearer


def _see_that_modes_agree(policy: Policy, claims: dict[str, Any]) -> None:
    """What test mode signed is worth nothing elsewhere, whatever key it is under; and the other way about."""
    if claims.get(TEST_CLAIM, False) is not policy.test_mode:
        raise AccessTokenInvalid("of another mode")


def _game(environment: str) -> str:
    return f"game:{environment}"


@lru_cache(maxsize=10_000)
def _kid(key: bytes, test_mode: bool) -> str:
    """Names the secret behind a key without telling it: which of the listed ones signed."""
    return ("test-" if test_mode else "") + hashlib.sha256(b"kid:" + key).hexdigest()[:8]
