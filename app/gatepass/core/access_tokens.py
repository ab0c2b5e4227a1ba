"""Access tokens: short-lived JWTs, signed after the commit, checked against the session they name.

PyJWT verifies the signature and nothing else: it reads the wall clock, accepts any `typ`, a missing `exp` and a token
with `==` appended. Form, claims and time are checked here, against the unit's one instant. A token dies with its
session (`sid`); its text is never stored.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy import select

from gatepass.core.api_keys import App
from gatepass.core.errors import AccessTokenDead, AccessTokenExpired, AccessTokenInvalid, UserBanned
from gatepass.core.mint import Mint
from gatepass.core.schema import SECOND
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import Grant, Session, Surface, sessions
from gatepass.core.sessions import of as session_of
from gatepass.core.unit import Policy, Unit
from gatepass.core.users import User, users
from gatepass.core.users import of as user_of

_COMPACT = re.compile(r"[A-Za-z0-9_-]{1,512}\.[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]{1,1024}")
_PURPOSE = "elixir-access-token"
_JITTER = 0.1
"""Each announced life is shortened by up to this share: phones do not stampede, and a thief cannot keep step."""


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


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs grants into access tokens, outside any transaction."""

    secret: ServerSecret
    policy: Policy
    mint: Mint

    def elixir(self, grant: Grant) -> AccessToken:
        """An Elixir access token: HS512 under the team's own key (contract elixir, section 4.2)."""
        life = self.policy.elixir_access_ttl
        life -= int(life * _JITTER * self.mint.fraction())
        expires_at = grant.issued_at + life
        key = self.secret.team_keys(_PURPOSE, grant.team_id.bytes)[0]
        user_id = str(grant.user_id)
        claims = {
            "_id": user_id,
            "email": grant.email,
            "roles": grant.roles,
            "iss": str(grant.team_id),
            "aud": _audience(grant.environment),
            "iat": grant.issued_at // SECOND,
            "exp": expires_at // SECOND,
            "sub": user_id,
            "sid": str(grant.session_id),
            "gen": grant.generation,
            "jti": self.mint.bytes(12).hex(),
        }
        return AccessToken(jwt.encode(claims, key, "HS512", headers={"kid": _kid(key)}), expires_at, life)


async def authenticate(unit: Unit, presented: str | None, app: App, *, even_expired: bool = False) -> Bearer:
    """The user and session behind an Elixir bearer token presented with *app*'s key.

    *even_expired* lets sign-out end a session whose token has just run out (contract elixir, D9).
    Raises AccessTokenInvalid, AccessTokenExpired, AccessTokenDead, UserBanned.
    """
    claims = _verified_claims(unit.secret, presented, app.team.id)
    try:
        session_id, user_id = UUID(claims["sid"]), UUID(claims["_id"])
    except (ValueError, AttributeError) as error:
        raise AccessTokenInvalid("sid or _id is no id") from error
    if claims["iss"] != str(app.team.id) or claims["aud"] != _audience(app.environment.value):
        raise AccessTokenInvalid("issued for another team or environment")
    if claims["exp"] * SECOND <= unit.now and not even_expired:
        raise AccessTokenExpired("past its life")
    row = (
        await unit.db.execute(
            select(
                *(column.label(f"session__{column.name}") for column in sessions.c),
                *(column.label(f"user__{column.name}") for column in users.c),
            )
            .join_from(sessions, users, users.c.id == sessions.c.user_id)
            .where(
                sessions.c.id == session_id,
                sessions.c.surface == Surface.ELIXIR.value,
                sessions.c.team_id == app.team.id,
                sessions.c.environment == app.environment.value,
            )
        )
    ).one_or_none()
    if row is None:
        raise AccessTokenDead("no such session")
    session = session_of({name: row._mapping[f"session__{name}"] for name in Session.__slots__})
    user = user_of({name: row._mapping[f"user__{name}"] for name in User.__slots__})
    if user.id != user_id or user.deleted_at is not None:
        raise AccessTokenDead("no such user")
    if user.is_banned:
        raise UserBanned(user.ban_reason or "")
    if not session.is_open(unit.now):
        raise AccessTokenDead(f"session ended: {session.end_cause or 'expired'}")
    if session.receipt_at is None and claims["gen"] == session.generation:
        unit.receipts.append((session.id, session.generation))
    return Bearer(session, user, claims)


def _verified_claims(secret: ServerSecret, presented: str | None, team_id: UUID) -> dict[str, Any]:
    """The claims of a token that one of the team's keys signed, with every member of the type we write."""
    if presented is None or not _COMPACT.fullmatch(presented):
        raise AccessTokenInvalid("missing, or not in JWS compact form")
    try:
        header = jwt.get_unverified_header(presented)
        keys = {_kid(key): key for key in secret.team_keys(_PURPOSE, team_id.bytes)}
        key = keys[header["kid"]]
        if header != {"alg": "HS512", "kid": header["kid"], "typ": "JWT"}:
            raise AccessTokenInvalid("not a header of ours")
        claims: dict[str, Any] = jwt.decode(
            presented,
            key,
            algorithms=["HS512"],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise AccessTokenInvalid("signature, key or form") from error
    for name, kind in _CLAIM_TYPES.items():
        if type(claims.get(name)) is not kind:
            raise AccessTokenInvalid(f"claim {name}")
    return claims


_CLAIM_TYPES = {"_id": str, "sid": str, "iss": str, "aud": str, "iat": int, "exp": int, "gen": int}


def _audience(environment: str) -> str:
    return f"game:{environment}"


def _kid(key: bytes) -> str:
    """Names the secret behind a key without telling it: which of the listed ones signed."""
    return hashlib.sha256(b"kid:" + key).hexdigest()[:8]
