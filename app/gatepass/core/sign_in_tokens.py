"""Sign-in tokens: a customer's backend vouches for one of its users.

The token is a JWT in the form that the mobile SDKs route by (contract junction, section 5), signed with the team's
sign-in ring. It opens one session; while that session is unused the same token yields the same session again, so a lost
answer costs nothing (R5). It dies with its user, its team and the API key that minted it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Named, String, Table, TypedColumns, Uuid, insert, select, update

from gatepass.core import api_keys, jws, sessions, sign_in, teams, users
from gatepass.core.errors import Forbidden, NotFound, SignInTokenInvalid, SignInTokenUsed, UserBanned
from gatepass.core.schema import MINUTE, SECOND, metadata, upsert
from gatepass.core.server_secret import sha256
from gatepass.core.sessions import Audience, Grant, Proof, Surface
from gatepass.core.signing_keys import SigningKey
from gatepass.core.teams import Team, TeamEnvironment
from gatepass.core.unit import Unit

AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
LEEWAY = MINUTE
_JTI = re.compile(r"[\x20-\x7e]{1,64}")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_ISSUER_WORD = {
    TeamEnvironment.PRODUCTION: "prd",
    TeamEnvironment.SANDBOX: "stg",
    TeamEnvironment.DEV: "dev",
    TeamEnvironment.LOCAL: "local",
}
_LONGEST = 60 * MINUTE


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
class Issued:
    """A token's claims, recorded; `sign` turns them into the token after the commit."""

    claims: dict[str, Any]
    team: Team
    user_id: UUID


async def issue(unit: Unit, team: Team, user_id: UUID, *, key_id: UUID | None) -> Issued:
    """Record a sign-in token for a user (J8). Raises NotFound, UserDeleted, and Forbidden for a banned user."""
    user = await users.get_undeleted(unit, team.id, user_id)
    if user.is_banned:
        raise Forbidden("the user is disabled")
    jti = unit.mint.alphanumeric(24)
    expires_at = unit.now + unit.policy.sign_in_token_ttl
    await unit.db.execute(
        insert(sign_in_tokens).values(
            jti=jti, team_id=team.id, user_id=user.id, key_id=key_id, created_at=unit.now, expires_at=expires_at
        )
    )
    service = service_account(team)
    claims = {
        "iss": service,
        "sub": service,
        "aud": AUDIENCE,
        "iat": unit.now // SECOND,
        "exp": expires_at // SECOND,
        "jti": jti,
        "uid": str(user.id),
        "tenant_id": tenant_of(team.id),
        "claims": {"vital_team_id": str(team.id)},
    }
    return Issued(claims, team, user.id)


def service_account(team: Team) -> str:
    """The client's routing table, not a statement of trust (T2)."""
    project = project_of(team.environment, team.region)
    return f"id-signer-{project.removeprefix('vital-id-')}@{project}.iam.gserviceaccount.com"


def project_of(environment: str, region: str) -> str:
    """What Google's clients call a project: all teams of one environment and region share it."""
    return f"vital-id-{_ISSUER_WORD[TeamEnvironment(environment)]}-{region}"


def tenant_of(team_id: UUID) -> str:
    """The team's tenant word."""
    return f"t-{team_id.hex[:12]}"


def sign(issued: Issued, key: SigningKey) -> str:
    """The `user_token`: RS256, and its first two segments without `-` or `_`, which iOS cannot read (T1, T4).

    Takes 0.3 ms of pure arithmetic; call it off the event loop.
    """
    for padding in ({}, *({"pad": "0" * width} for width in range(3))):
        claims = {**padding, **issued.claims}  # in front: only what comes before a character can shift it
        token = jws.sign(claims, key.private, algorithm="RS256", typ="JWT", kid=key.kid)
        if all(_ALPHANUMERIC.fullmatch(segment) for segment in token.split(".")[:2]):
            return token
    raise AssertionError("ASCII JSON of ids always finds an alphanumeric spelling")


def wrap(team: Team, user_token: str) -> str:
    """The `sign_in_token` handed to the app: base64 of two string members (section 5)."""
    body = {"public_key": f"pub_{team.id.hex[:8]}", "user_token": user_token}
    return base64.b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()


def unwrap(presented: str) -> str:
    """The `user_token` in *presented*, which may be the whole blob (section 6.1)."""
    if "." in presented:
        return presented
    try:
        inner = json.loads(base64.b64decode(presented, validate=True))["user_token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return presented
    return inner if isinstance(inner, str) else presented


@dataclass(frozen=True, slots=True)
class SignInToken:
    """A verified token: who it vouches for. *jti* is the digest of its text where its minter gave none."""

    jti: str = field(repr=False)
    team_id: UUID
    user_id: UUID
    tenant: str
    expires_at: int


def team_named_in(presented: str) -> UUID | None:
    """The team whose ring must have signed *presented*, if any could have. Nothing is verified yet."""
    try:
        jws.header_of(presented)
        claims = jws.unverified_claims(presented)
        return UUID(claims["claims"]["vital_team_id"])
    except (jws.NotOurs, KeyError, TypeError, ValueError, AttributeError):
        return None


def verify(presented: str, keys: dict[str, Any], now: int) -> SignInToken:
    """Check signature, audience and times against the team's keys (section 6.1). *now* in ms. Raises SignInTokenInvalid.

    A token that a backend minted by itself with the team's key (firebase-admin) may lack `kid` and `jti`.
    """
    claims = _claims(presented, keys)
    try:
        issued_at, expires_at = claims["iat"] * SECOND, claims["exp"] * SECOND
        token = SignInToken(
            jti=claims["jti"] if "jti" in claims else sha256(presented).hex(),
            team_id=UUID(claims["claims"]["vital_team_id"]),
            user_id=UUID(claims["uid"]),
            tenant=claims["tenant_id"],
            expires_at=expires_at,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignInTokenInvalid("a claim is missing or of the wrong type") from error
    if type(claims["iat"]) is not int or type(claims["exp"]) is not int or not isinstance(token.jti, str):
        raise SignInTokenInvalid("a claim is of the wrong type")
    if claims.get("aud") != AUDIENCE:
        raise SignInTokenInvalid("audience")
    not_before = claims.get("nbf", claims["iat"])
    if type(not_before) is not int or max(issued_at, not_before * SECOND) > now + LEEWAY:
        raise SignInTokenInvalid("not yet valid")
    if expires_at <= now or expires_at - issued_at > _LONGEST:
        raise SignInTokenInvalid("expired, or made to live longer than an hour")
    if not _JTI.fullmatch(token.jti):
        raise SignInTokenInvalid("jti")
    return token


def _claims(presented: str, keys: dict[str, Any]) -> dict[str, Any]:
    try:
        header = jws.header_of(presented)
        kid = header.pop("kid", None)
        if header != {"alg": "RS256", "typ": "JWT"} or (kid is not None and kid not in keys):
            raise SignInTokenInvalid("not a header of ours")
        for key in [keys[kid]] if kid is not None else list(keys.values()):
            try:
                return jws.decode(presented, key, "RS256")
            except jws.NotOurs:
                continue
    except jws.NotOurs as error:
        raise SignInTokenInvalid(str(error)) from error
    raise SignInTokenInvalid("no key of the team signed it")


async def redeem(unit: Unit, token: SignInToken, *, jkt: str | None = None) -> Grant:
    """Trade a verified token for its session; again while that session is unused (R5).

    Locks the user first, as whoever bans or deletes does. Raises SignInTokenInvalid, SignInTokenUsed.
    """
    team = await teams.find(unit, token.team_id)
    if team is None or team.removed_at is not None or token.tenant != tenant_of(team.id):
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
    audience = Audience(Surface.JUNCTION, team.id, team.environment.value, team.region.value)
    if row.session_id is not None:
        return await _again(unit, row.session_id, user, team, jkt)
    try:
        grant = await sign_in.open_session(unit, user.id, audience, Proof.SIGN_IN_TOKEN, jkt=jkt)
    except UserBanned as error:
        raise SignInTokenInvalid("the user is disabled") from error
    await unit.db.execute(
        update(sign_in_tokens).where(sign_in_tokens.c.jti == token.jti).values(session_id=grant.session_id)
    )
    return grant


async def _hold(unit: Unit, token: SignInToken) -> Any:
    """The token's row, held until the transaction ends; made now for a token that the backend minted by itself."""
    query = select(sign_in_tokens).where(sign_in_tokens.c.jti == token.jti).with_for_update()
    row = (await unit.db.execute(query)).one_or_none()
    if row is None:
        await unit.db.execute(
            upsert(unit.db, sign_in_tokens)
            .values(
                jti=token.jti,
                team_id=token.team_id,
                user_id=token.user_id,
                created_at=unit.now,
                expires_at=token.expires_at,
            )
            .on_conflict_do_nothing()
        )
        row = (await unit.db.execute(query)).one()
    return row


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
    return sign_in.grant_of(unit, session, user, region=team.region)


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
