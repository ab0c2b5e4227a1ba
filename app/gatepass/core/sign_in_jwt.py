"""What a sign-in token says, and how it is read: the JWT in the form that the mobile SDKs route by.

Signed with the team's sign-in ring (contract junction, section 5). What is recorded of a token, and what it opens, is in
sign_in_tokens.py.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gatepass.core import jws
from gatepass.core.errors import SignInTokenInvalid
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.server_secret import sha256
from gatepass.core.signing_keys import SigningKey
from gatepass.core.teams import Team, TeamEnvironment

AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
LEEWAY = MINUTE
_LONGEST = 60 * MINUTE
_JTI = re.compile(r"[\x20-\x7e]{1,64}")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_ISSUER_WORD = {
    TeamEnvironment.PRODUCTION: "prd",
    TeamEnvironment.SANDBOX: "stg",
    TeamEnvironment.DEV: "dev",
    TeamEnvironment.LOCAL: "local",
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A recorded token's claims; `sign` turns them into the token after the commit."""

    claims: dict[str, Any]
    team: Team
    user_id: UUID

    @classmethod
    def of(cls, team: Team, user_id: UUID, *, jti: str, issued_at: int, expires_at: int) -> Issued:
        """What a token of *team* says of its user (T2, T3). Instants in ms."""
        service = service_account(team)
        claims = {
            "iss": service,
            "sub": service,
            "aud": AUDIENCE,
            "iat": issued_at // SECOND,
            "exp": expires_at // SECOND,
            "jti": jti,
            "uid": str(user_id),
            "tenant_id": tenant_of(team.id),
            "claims": {"vital_team_id": str(team.id)},
        }
        return cls(claims, team, user_id)


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
    """A verified token: who it vouches for. *jti* is a digest where its minter gave none."""

    jti: str = field(repr=False)
    team_id: UUID
    user_id: UUID
    tenant: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token in form, whose signature nobody has looked at: only good for finding the keys to verify it with.

    *kid* is None for a token that a backend minted by itself with the team's key (firebase-admin).
    """

    text: str = field(repr=False)
    kid: str | None
    claims: dict[str, Any] = field(repr=False)
    team_id: UUID


def parse(presented: str) -> Unverified:
    """The token in *presented*, which may be the blob around it, and the team whose ring must have signed it.

    Raises SignInTokenInvalid.
    """
    text = unwrap(presented)
    try:
        header = jws.header_of(text)
        kid = header.pop("kid", None)
        claims = jws.unverified_claims(text)
    except jws.NotOurs as error:
        raise SignInTokenInvalid(str(error)) from error
    team_id = team_named_in(claims)
    if team_id is None:
        raise SignInTokenInvalid("names no team")
    if header != {"alg": "RS256", "typ": "JWT"} or not isinstance(kid, str | None):
        raise SignInTokenInvalid("not a header of ours")
    return Unverified(text, kid, claims, team_id)


def team_named_in(claims: dict[str, Any]) -> UUID | None:
    """The team that unverified *claims* name, if they name one."""
    try:
        return UUID(claims["claims"]["vital_team_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def verify(unverified: Unverified, keys: dict[str, Any], now: int) -> SignInToken:
    """Check signature, audience and times against the team's keys (section 6.1). *now* in ms. Raises SignInTokenInvalid.

    A token without `jti` goes by the digest of what its signature covers: the signature itself can be spelled in several
    ways that decode to the same bytes.
    """
    _see_that_it_is_signed(unverified, keys)
    claims = unverified.claims
    issued_at, expires_at, not_before = _seconds(claims, "iat"), _seconds(claims, "exp"), claims.get("nbf")
    if claims.get("aud") != AUDIENCE:
        raise SignInTokenInvalid("audience")
    begins_at = issued_at if not_before is None else max(issued_at, _seconds(claims, "nbf"))
    if begins_at > now + LEEWAY:
        raise SignInTokenInvalid("not yet valid")
    if expires_at <= now or expires_at - issued_at > _LONGEST:
        raise SignInTokenInvalid("expired, or made to live longer than an hour")
    jti = claims["jti"] if "jti" in claims else sha256(unverified.text.rpartition(".")[0]).hex()
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise SignInTokenInvalid("jti")
    try:
        return SignInToken(jti, unverified.team_id, UUID(claims["uid"]), claims["tenant_id"], expires_at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignInTokenInvalid("a claim is missing or of the wrong type") from error


def _seconds(claims: dict[str, Any], name: str) -> int:
    """The instant in a claim of whole seconds, in ms. Raises SignInTokenInvalid."""
    if type(claims.get(name)) is not int:
        raise SignInTokenInvalid(f"{name} is missing or of the wrong type")
    return int(claims[name]) * SECOND


def _see_that_it_is_signed(unverified: Unverified, keys: dict[str, Any]) -> None:
    """By the key that it names, or, where it names none, by any of the team's. Raises SignInTokenInvalid."""
    kid = unverified.kid
    if kid is not None and kid not in keys:
        raise SignInTokenInvalid("a key that is none of the team's")
    tried = keys.values() if kid is None else (keys[kid],)
    if not any(jws.is_signed_rs256(unverified.text, key) for key in tried):
        raise SignInTokenInvalid("no key of the team signed it")
